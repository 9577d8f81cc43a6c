"""What becomes of a column of features, and what is said about it."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl
import pytest

from loopwright.errors import FeatureError
from loopwright.features.columns import VOCABULARY, fit_column, refit_column


def test_numbers_truth_values_and_texts_have_their_kinds() -> None:
    assert fit_column(pl.Series("x", [1, 2, None]), "given").column.kind == "number"
    assert fit_column(pl.Series("x", [True, None, False]), "given").column.kind == "boolean"
    column = fit_column(pl.Series("x", ["b", "a", "b", None]), "given").column
    assert (column.kind, column.vocabulary) == ("category", ("b", "a"))


def test_a_column_without_values_or_with_one_value_is_left_out_and_said() -> None:
    empty = fit_column(pl.Series("gone", [None, None], dtype=pl.String), "given")
    same = fit_column(pl.Series("same", [7, 7, 7]), "given")
    assert empty.column is None
    assert "'gone' is left out" in empty.note
    assert same.column is None
    assert "7" in same.note


def test_one_value_and_gaps_is_kept_because_the_gaps_may_mean_something() -> None:
    assert fit_column(pl.Series("x", [7, None, 7]), "given").column is not None


def test_raw_text_that_names_rows_is_left_out_but_a_made_one_is_kept() -> None:
    names = pl.Series("id", [f"row {number}" for number in range(100)])
    assert fit_column(names, "given").column is None
    assert fit_column(names, "made").column is not None


def test_a_long_vocabulary_is_cut_to_the_commonest_and_said() -> None:
    texts = pl.Series("code", [f"c{number % 1000:04}" for number in range(2500)])
    fitted = fit_column(texts, "given")
    assert len(fitted.column.vocabulary) == VOCABULARY
    assert fitted.column.vocabulary[0] == "c0000"  # 0 to 499 come three times, the others twice
    assert set(fitted.column.vocabulary) < {f"c{number:04}" for number in range(500)}
    assert "255 commonest of 1,000" in fitted.note


@pytest.mark.parametrize("name", ["count", "rows", "text", "values"])
def test_a_column_may_have_any_name(name: str) -> None:
    assert fit_column(pl.Series(name, ["b", "a", "b"]), "given").column.vocabulary == ("b", "a")


def test_parts_of_the_time_column_come_round_within_the_rows() -> None:
    days = pl.Series("day", [date(2020, 1, 1) + timedelta(days=number) for number in range(100)])
    assert fit_column(days, "time").column.parts == ("day", "weekday")
    years = pl.Series("day", [date(2020, 1, 1) + timedelta(days=number) for number in range(800)])
    assert fit_column(years, "time").column.parts == ("month", "day", "weekday")


def test_other_dates_keep_the_day_itself_and_the_hour_where_it_varies() -> None:
    moments = pl.Series(
        "seen", [datetime.fromisoformat("2020-01-01") + timedelta(hours=number) for number in range(100)]
    )
    assert fit_column(moments, "given").column.parts == ("days", "hour")


def test_dates_of_one_day_say_nothing_as_time() -> None:
    moments = pl.Series("at", [datetime.fromisoformat(f"2020-01-01T{hour:02}:00") for hour in range(20)])
    assert fit_column(moments, "time").column is None


def test_a_type_that_cannot_become_a_number_is_named() -> None:
    with pytest.raises(FeatureError, match="'parts' holds List"):
        fit_column(pl.Series("parts", [[1], [2, 3]]), "made")
    with pytest.raises(FeatureError, match="'took' holds Duration"):
        fit_column(pl.Series("took", [timedelta(1), timedelta(2)]), "made")


def test_refitting_changes_the_vocabulary_only() -> None:
    column = fit_column(pl.Series("x", ["a", "b", "a"]), "given").column
    assert refit_column(column, pl.Series("x", ["c", "b", "b"])).vocabulary == ("b", "c")
    number = fit_column(pl.Series("x", [1, 2]), "given").column
    assert refit_column(number, pl.Series("x", [3])) is number
