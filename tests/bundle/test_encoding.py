# ruff: noqa: DTZ001 - moments without a zone are what is tested
"""The encoding: what becomes of values of each kind, and that lists, arrays, rows alone and batches agree."""

import math
from datetime import date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.bundle.encoding import Encoder, category_text, category_texts, date_parts, encode, matrix_names
from loopwright.bundle.records import Encoding, FeatureColumn
from loopwright.bundle.values import DATE_PARTS, moments
from loopwright.errors import RequestError

NAN = math.nan


def encoding(*columns: FeatureColumn) -> Encoding:
    return Encoding(columns=columns, names=matrix_names(columns))


def number(name: str = "x") -> FeatureColumn:
    return FeatureColumn(name=name, kind="number")


def category(*vocabulary: str, name: str = "x") -> FeatureColumn:
    return FeatureColumn(name=name, kind="category", vocabulary=vocabulary)


def values_of(column: FeatureColumn, values: object) -> list[float]:
    return encode(encoding(column), {"x": values})[:, 0].tolist()  # type: ignore[dict-item]


def test_numbers_are_themselves_and_missing_and_infinite_ones_are_nan() -> None:
    given = [1, 2.5, None, NAN, True, "3.5", -math.inf, math.inf, "inf"]
    expected = [1, 2.5, NAN, NAN, 1, 3.5, NAN, NAN, NAN]
    np.testing.assert_array_equal(values_of(number(), given), expected)
    np.testing.assert_array_equal(values_of(number(), given * 5), expected * 5)
    np.testing.assert_array_equal(values_of(number(), np.array([math.inf, 1.0])), [NAN, 1.0])


@pytest.mark.parametrize("truth", [True, 1, 1.0, "true", "TRUE", "True", np.True_, "1"])
def test_every_spelling_of_true_is_one(truth: object) -> None:
    boolean = FeatureColumn(name="x", kind="boolean")
    np.testing.assert_array_equal(values_of(boolean, [truth, None, False]), [1, NAN, 0])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (3.0, "3"),
        (np.int8(3), "3"),
        (np.float64(3), "3"),
        (2.5, "2.5"),
        (-0.0, "0"),
        (True, "true"),
        (np.False_, "false"),
        ("3.0", "3.0"),
        ("", ""),
        (None, None),
        (NAN, None),
        (np.datetime64("NaT"), None),
        (date(2024, 1, 2), "2024-01-02"),
        (np.datetime64("2024-01-02"), "2024-01-02"),
        (np.datetime64("2024-01-02", "ns"), "2024-01-02"),
        (datetime(2024, 1, 2, 3), "2024-01-02T03:00:00"),
    ],
)
def test_a_category_has_one_text_however_it_is_written(value: object, text: str | None) -> None:
    assert category_text(value) == text


def test_a_category_is_its_place_and_numbers_as_text_are_found() -> None:
    got = values_of(category("1", "3", "true", "007"), [3, "3", 3.0, "3.0", True, "True", "007", "7", "new", None])
    np.testing.assert_array_equal(got, [1, 1, 1, 1, 2, 2, 3, -1, -1, NAN])


def test_a_vocabulary_fitted_on_numbers_knows_them_as_text() -> None:
    vocabulary = tuple(dict.fromkeys(text for text in category_texts(np.array([1.0, 2.0, NAN, 2.0])) if text))
    assert vocabulary == ("1", "2")
    np.testing.assert_array_equal(values_of(category(*vocabulary), ["2", 1, "2.0"]), [1, 0, 1])


def test_long_arrays_of_categories_are_placed_as_short_ones() -> None:
    numbers = np.arange(40, dtype=np.float64) % 4
    np.testing.assert_array_equal(values_of(category("0", "2"), numbers), [0, -1, 1, -1] * 10)
    days = np.arange("2024-01-01", "2024-02-10", dtype="M8[D]").astype("M8[ns]")
    np.testing.assert_array_equal(values_of(category("2024-01-02"), days)[:3], [-1, 0, -1])


def test_a_date_gives_its_parts() -> None:
    column = FeatureColumn(name="when", kind="date", parts=tuple(DATE_PARTS))
    got = encode(encoding(column), {"when": ["2024-12-31T23:59:00", None]})
    expected = {"year": 2024, "month": 12, "day": 31, "dayofyear": 366, "weekday": 1, "hour": 23, "minute": 59}
    named = dict(zip(encoding(column).names, got[0].tolist(), strict=True))
    assert named == {**{f"when.{part}": value for part, value in expected.items()}, "when.days": 20088}
    assert np.isnan(got[1]).all()


@pytest.mark.parametrize(
    "when",
    [
        "2024-05-01T10:30:00",
        "2024-05-01 10:30",
        "2024-05-01T12:30:00+02:00",
        "2024-05-01T10:30:00Z",
        datetime(2024, 5, 1, 10, 30),
        datetime(2024, 5, 1, 8, 30, tzinfo=timezone(timedelta(hours=-2))),
        np.datetime64("2024-05-01T10:30", "ns"),
        1714559400,
        1714559400.0,
    ],
)
def test_one_moment_is_one_moment_however_it_is_written(when: object) -> None:
    assert moments([when])[0] == np.datetime64("2024-05-01T10:30", "us")


@given(st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)) | st.none(), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_date_parts_are_those_of_the_calendar(when: list[datetime | None]) -> None:
    got = date_parts(moments(when), ("year", "month", "day", "dayofyear", "weekday", "hour", "minute", "days"))
    for row, one in zip(got.tolist(), when, strict=True):
        if one is None:
            assert all(map(math.isnan, row))
        else:
            days = (one.date() - date(1970, 1, 1)).days
            year_day = one.timetuple().tm_yday
            assert row == [one.year, one.month, one.day, year_day, one.weekday(), one.hour, one.minute, days]


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        (number(), [1, "many", 2], "the column 'x' expects a number, but row 2 of 3 holds 'many'"),
        (number(), [[1], [2]], "row 1 of 2 holds [1]"),
        (number(), [date(2024, 1, 1)], "row 1 of 1 holds datetime.date"),
        (number(), np.array(["2024-01-01"], dtype="M8[ns]"), "datetime64[ns] values came"),
        (number(), [10**400], "the column 'x' expects a number"),
        (FeatureColumn(name="x", kind="boolean"), [True, 2], "expects true or false, but row 2 of 2 holds 2"),
        (FeatureColumn(name="x", kind="boolean"), ["yes"], "holds 'yes'"),
        (category("a"), ["a", {"b": 1}], "row 2 of 2 holds {'b': 1}"),
        (FeatureColumn(name="x", kind="date", parts=("year",)), ["01/02/2024"], "holds '01/02/2024'"),
        (FeatureColumn(name="x", kind="date", parts=("year",)), [1e15], "seconds since 1970, but row 1"),
        (FeatureColumn(name="x", kind="date", parts=("year",)), [True], "holds True"),
        (FeatureColumn(name="x", kind="date", parts=("year",)), [math.inf], "holds inf"),
    ],
)
def test_a_value_that_does_not_fit_is_named(column: FeatureColumn, values: list[object], said: str) -> None:
    with pytest.raises(RequestError, match="the column 'x'") as caught:
        encode(encoding(column), {"x": values})
    assert said in str(caught.value)
    assert caught.value.remedy


def test_a_missing_column_is_named() -> None:
    with pytest.raises(RequestError, match="the column 'y' is missing"):
        encode(encoding(number(), number("y")), {"x": [1.0]})


def test_no_rows_make_an_empty_matrix() -> None:
    columns = (number(), category("a", name="c"), FeatureColumn(name="d", kind="date", parts=("year", "month")))
    assert encode(encoding(*columns), {"x": [], "c": [], "d": []}).shape == (0, 4)


def test_an_encoding_whose_names_do_not_fit_its_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="names 2 matrix columns"):
        Encoder(Encoding(columns=(number(),), names=("x", "y")))
    with pytest.raises(ValueError, match="'fortnight' is no part of a date"):
        Encoder(encoding(FeatureColumn(name="x", kind="date", parts=("fortnight",))))


EVERY_KIND = encoding(
    number("n"),
    number("m"),
    FeatureColumn(name="b", kind="boolean"),
    category("a", "3", "true", "", name="c"),
    FeatureColumn(name="d", kind="date", parts=tuple(DATE_PARTS)),
)
ROW = st.fixed_dictionaries(
    {
        "n": st.none() | st.floats() | st.integers(-(2**60), 2**60) | st.booleans() | st.just("4.5"),
        "m": st.none() | st.floats(),
        "b": st.none() | st.booleans() | st.sampled_from(["true", "False", 0, 1.0]),
        "c": st.none() | st.sampled_from(["a", "3", 3, 3.0, True, "", "unseen", "3.0"]) | st.floats(),
        "d": st.none()
        | st.dates().map(str)
        | st.datetimes().map(datetime.isoformat)
        | st.datetimes()
        | st.floats(-1e9, 1e10),
    }
)


@given(st.lists(ROW, min_size=1, max_size=25))
@settings(max_examples=60, deadline=None)
def test_a_row_alone_is_encoded_as_in_its_batch_and_a_list_as_an_array(rows: list[dict[str, object]]) -> None:
    lists = {name: [row[name] for row in rows] for name in rows[0]}
    batch = encode(EVERY_KIND, lists)
    alone = np.concatenate([encode(EVERY_KIND, {name: [row[name]] for name in row}) for row in rows])
    np.testing.assert_array_equal(batch, alone)
    arrays = {name: np.array([*values, None], dtype=object)[:-1] for name, values in lists.items()}
    np.testing.assert_array_equal(batch, encode(EVERY_KIND, arrays))


@given(st.lists(st.floats(width=32) | st.integers(-100, 100).map(float), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None)
def test_typed_arrays_are_encoded_as_their_lists(values: list[float]) -> None:
    array = np.array(values)
    for column in (number(), category("1", "2", "-3")):
        np.testing.assert_array_equal(values_of(column, array), values_of(column, values))
    flags = array > 0
    both = FeatureColumn(name="x", kind="boolean"), category("true", "1")
    for column in both:
        np.testing.assert_array_equal(values_of(column, flags), values_of(column, flags.tolist()))
    texts = np.array([str(value) for value in values])
    np.testing.assert_array_equal(values_of(number(), texts), values_of(number(), texts.tolist()))
