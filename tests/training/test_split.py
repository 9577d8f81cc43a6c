"""The split: rows of one key or one moment stay together, tests stay tests as data grow, and time is respected."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.declare import Declaration
from loopwright.errors import DataError, DeclarationError
from loopwright.policies.training import Split
from loopwright.training.split import assign, newest, plan_split
from loopwright.training.split import test_after as rows_after

KEYED = Declaration(name="m", source="s", target="y", key="id")
BARE = Declaration(name="m", source="s", target="y")
TIMED = Declaration(name="m", source="s", target="y", time="day")
IN_ROWS = Declaration(name="m", source="s", target="y", order="rows")
START = date(2020, 1, 1)


def days(numbers: list[int]) -> pl.DataFrame:
    return pl.DataFrame({"day": [START + timedelta(days=one) for one in numbers], "y": range(len(numbers))})


def shares(parts: pl.Series) -> dict[str, float]:
    return {name: float((parts == name).mean()) for name in ("train", "validation", "test", "none")}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=100, max_size=400), st.integers(50, 99))
def test_a_keyed_row_keeps_its_part_as_data_grow(keys: list[int], first: int) -> None:
    rows = pl.DataFrame({"id": keys, "y": range(len(keys))})
    try:
        before = assign(plan_split(KEYED, rows.head(first)), rows.head(first))
        after = assign(plan_split(KEYED, rows), rows)
    except DataError:
        return  # so few different keys that a part was empty
    assert before.equals(after.head(first))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 300), min_size=200, max_size=400))
def test_rows_of_one_key_never_part(keys: list[int]) -> None:
    rows = pl.DataFrame({"id": [f"k{one}" for one in keys], "y": range(len(keys))})
    try:
        parts = assign(plan_split(KEYED, rows), rows)
    except DataError:
        return
    assert rows.with_columns(part=parts).group_by("id").agg(pl.col("part").n_unique())["part"].max() == 1


def test_a_hash_gives_the_shares_asked_for() -> None:
    rows = pl.DataFrame({"id": range(100_000), "y": range(100_000)})
    found = shares(assign(plan_split(KEYED, rows), rows))
    assert found["test"] == pytest.approx(0.2, abs=0.005)
    assert found["validation"] == pytest.approx(0.15, abs=0.005)


def test_without_a_key_equal_rows_fall_together_whatever_their_target() -> None:
    rows = pl.DataFrame({"x": [one % 500 for one in range(2000)], "y": range(2000)})
    plan = plan_split(BARE, rows)
    assert plan.columns == ("x",)
    parts = assign(plan, rows)
    assert rows.with_columns(part=parts).group_by("x").agg(pl.col("part").n_unique())["part"].max() == 1


def test_a_larger_test_share_keeps_the_rows_of_the_smaller_one() -> None:
    rows = pl.DataFrame({"id": range(1000), "y": range(1000)})
    small = assign(
        plan_split(Declaration(name="m", source="s", target="y", key="id", split=Split(test=0.1)), rows), rows
    )
    large = assign(
        plan_split(Declaration(name="m", source="s", target="y", key="id", split=Split(test=0.3)), rows), rows
    )
    assert set((small == "test").arg_true()) < set((large == "test").arg_true())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=30, max_size=300))
def test_time_is_respected_and_one_moment_never_parts(numbers: list[int]) -> None:
    rows = days(numbers)
    try:
        parts = assign(plan_split(TIMED, rows), rows)
    except DataError:
        assert len(set(numbers)) < 30
        return
    found = rows.with_columns(part=parts).group_by("day").agg(pl.col("part").unique())
    assert found["part"].list.len().max() == 1
    last = {name: rows.filter(parts == name)["day"].max() for name in ("train", "validation")}
    first = {name: rows.filter(parts == name)["day"].min() for name in ("validation", "test")}
    assert last["train"] < first["validation"]
    assert last["validation"] < first["test"]


def test_time_gives_the_shares_as_nearly_as_whole_moments_do() -> None:
    found = shares(assign(plan_split(TIMED, days(list(range(200)))), days(list(range(200)))))
    assert found == {"train": 0.65, "validation": 0.15, "test": 0.2, "none": 0.0}


def test_rows_may_stand_in_any_order() -> None:
    numbers = [(one * 37) % 200 for one in range(200)]
    plan, sorted_plan = plan_split(TIMED, days(numbers)), plan_split(TIMED, days(sorted(numbers)))
    assert plan == sorted_plan


def test_a_row_whose_label_came_too_late_is_left_out() -> None:
    delayed = Declaration(name="m", source="s", target="y", time="day", label_delay="10d")
    rows = days(list(range(200)))
    plan = plan_split(delayed, rows)
    assert (plan.validation_from, plan.test_from) == ("2020-05-10", "2020-06-09")
    parts = rows.with_columns(part=assign(plan, rows))
    left_out = parts.filter(pl.col("part") == "none")["day"].to_list()
    # Of the ten days before each part the first one's labels are known on the part's first day.
    expected = [*(date(2020, 5, 10) - timedelta(days=one) for one in range(9, 0, -1))]
    assert left_out[:9] == expected
    assert len(left_out) == 18


def test_an_embargo_that_leaves_nothing_is_said() -> None:
    delayed = Declaration(name="m", source="s", target="y", time="day", label_delay="52w")
    with pytest.raises(DataError, match=r"none of them falls to train, and 160 are left out by label_delay='52w'"):
        plan_split(delayed, days(list(range(200))))


def test_rows_without_a_time_or_a_target_do_not_count() -> None:
    rows = pl.concat(
        [days(list(range(100))), pl.DataFrame({"day": [None] * 50, "y": [1] * 50}, schema=days([0]).schema)]
    )
    unlabelled = days(list(range(100, 200))).with_columns(y=pl.lit(None, dtype=pl.Int64))
    plan = plan_split(TIMED, pl.concat([rows, unlabelled]))
    assert plan == plan_split(TIMED, days(list(range(100))))
    assert shares(assign(plan, rows))["none"] == pytest.approx(50 / 150)


def test_moments_and_numbers_are_times_too_but_text_is_not() -> None:
    moments = [datetime.fromisoformat("2020-01-01") + timedelta(hours=one) for one in range(100)]
    plan = plan_split(TIMED, pl.DataFrame({"day": moments, "y": range(100)}))
    assert plan.test_from == "2020-01-04T08:00:00"
    years = pl.DataFrame({"day": range(1900, 2000), "y": range(100)})
    assert plan_split(TIMED, years).test_from == "1980"
    assert shares(assign(plan_split(TIMED, years), years))["test"] == 0.2
    with pytest.raises(DeclarationError, match="'day', which holds String"):
        plan_split(TIMED, pl.DataFrame({"day": ["a"] * 100, "y": range(100)}))


def test_by_row_number_the_last_rows_test() -> None:
    rows = pl.DataFrame({"y": [*range(100), None, None]})
    plan = plan_split(IN_ROWS, rows)
    assert plan.rows == {"validation_from": 65, "test_from": 80}
    assert assign(plan, rows).to_list() == ["train"] * 65 + ["validation"] * 15 + ["test"] * 22


@pytest.mark.parametrize("declared", [KEYED, TIMED, IN_ROWS])
def test_too_few_rows_are_said_with_their_number(declared: Declaration) -> None:
    rows = pl.DataFrame({"id": [1, 2], "day": [START, START], "y": [1, 2]})
    with pytest.raises(DataError, match="m has 2 rows with a known target") as caught:
        plan_split(declared, rows)
    assert "more rows" in caught.value.remedy


def test_rows_that_cannot_be_told_apart_ask_for_a_key() -> None:
    alike = pl.DataFrame({"shop": ["a", "b"] * 500, "y": range(1000)})
    with pytest.raises(DataError, match="rows that are alike in every column stay together") as caught:
        plan_split(Declaration(name="m", source="s", target="y"), alike)
    assert "key=" in caught.value.remedy


def test_lazy_rows_and_frames_give_the_same() -> None:
    rows = pl.DataFrame({"id": range(100), "y": range(100)})
    assert assign(plan_split(KEYED, rows.lazy()), rows.lazy()).equals(assign(plan_split(KEYED, rows), rows))


def test_the_newest_time_is_written_in_iso_8601() -> None:
    assert newest(pl.Series([START, None])) == "2020-01-01"
    assert newest(pl.Series([], dtype=pl.Date)) is None


def test_a_plan_by_row_number_keeps_the_label_delay_for_who_asks_what_was_known() -> None:
    rows = pl.DataFrame({"y": range(100)})
    assert plan_split(replace(IN_ROWS, label_delay="1d"), rows).label_delay == "1d"


@pytest.mark.parametrize(("until", "tested"), [("2020-03-01", 20), ("2020-04-04", 5), ("2020-04-08T00:00:00", 1)])
def test_rows_known_to_have_been_seen_do_not_test(until: str, tested: int) -> None:
    rows = days(list(range(100)))
    plan = rows_after(plan_split(TIMED, rows), rows, until)
    assert int((assign(plan, rows) == "test").sum()) == tested


def test_by_row_number_the_rows_after_those_seen_test() -> None:
    rows = pl.DataFrame({"y": range(100)})
    for until, tested in (("30", 20), ("95", 5)):
        plan = rows_after(plan_split(IN_ROWS, rows), rows, until)
        assert int((assign(plan, rows) == "test").sum()) == tested
    with pytest.raises(DataError, match="newer than 100"):
        rows_after(plan_split(IN_ROWS, rows), rows, "100")
    with pytest.raises(DeclarationError, match="yesterday"):
        rows_after(plan_split(IN_ROWS, rows), rows, "yesterday")


@pytest.mark.parametrize("until", ["2020-04-09", "soon", "2020-04-01T00:00:00+00:00"])
def test_a_moment_after_all_rows_or_none_at_all_is_refused(until: str) -> None:
    rows = days(list(range(100)))
    with pytest.raises((DataError, DeclarationError), match=until[:4]):
        rows_after(plan_split(TIMED, rows), rows, until)


def test_rows_in_no_order_have_no_after() -> None:
    rows = pl.DataFrame({"id": range(100), "y": range(100)})
    with pytest.raises(DeclarationError, match="declares no order"):
        rows_after(plan_split(KEYED, rows), rows, "2020-01-01")
