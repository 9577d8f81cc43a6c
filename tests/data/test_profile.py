"""Profiles: held against Polars' own figures, exact where they say so, and alike on every run."""

import datetime as dt
import math

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.core.codec import from_json, to_json
from loopwright.data import profile as module
from loopwright.data.records import Profile

moment = dt.datetime.fromisoformat


def columns(room, rows):
    return {column.name: column for column in room.profile(room.keep(rows)).columns}


def test_numbers(room):
    found = columns(room, pl.DataFrame({"x": [1.0, 2.0, 2.0, None, 7.0], "n": [5, 5, 3, 4, None]}))
    x, n = found["x"], found["n"]
    assert (x.kind, x.rows, x.nulls, x.distinct, x.distinct_exact) == ("number", 5, 1, 3, True)
    assert (x.minimum, x.maximum, x.mean) == (1.0, 7.0, 3.0)
    assert x.deviation == pytest.approx(pl.Series([1.0, 2.0, 2.0, 7.0]).std(ddof=0))
    assert x.top == (("2.0", 2), ("1.0", 1), ("7.0", 1))
    assert x.quantiles["0.5"] == 2.0
    assert n.top == (("5", 2), ("3", 1), ("4", 1))
    assert n.histogram == ((2.5, 3.5, 4.5, 5.5), (1, 1, 2))


def test_words_and_flags(room):
    found = columns(room, pl.DataFrame({"w": ["b", "a", "b", None], "f": [True, None, False, True]}))
    assert found["w"].top == (("b", 2), ("a", 1))
    assert found["f"].top == (("true", 2), ("false", 1))
    assert (found["f"].distinct, found["w"].minimum, found["f"].histogram) == (2, None, None)


def test_dates_are_seconds_since_1970(room):
    rows = pl.DataFrame({"d": [dt.date(1970, 1, 3), dt.date(1970, 1, 2)], "t": [moment("1970-01-01T00:00:01.5")] * 2})
    found = columns(room, rows)
    assert (found["d"].minimum, found["d"].maximum) == (86400.0, 172800.0)
    assert found["d"].top == (("1970-01-02", 1), ("1970-01-03", 1))
    assert (found["t"].mean, found["t"].deviation) == (1.5, 0.0)


def test_a_column_without_a_value(room):
    (column,) = columns(room, pl.DataFrame({"x": pl.Series([None, None], dtype=pl.Float64)})).values()
    assert (column.nulls, column.distinct, column.distinct_exact, column.top, column.minimum) == (2, 0, True, (), None)


def test_a_rising_column_is_known_and_its_distinct_values_exact(room):
    count = 3 * module.BATCH // 2
    rows = pl.DataFrame(
        {
            "serial": range(count),
            "hour": [n // 24 for n in range(count)],
            "shuffled": [(n * 7919) % 1_000_003 for n in range(count)],
            "alike": [1] * count,
        }
    )
    found = columns(room, rows)
    assert [column.rising for column in found.values()] == [True, True, False, False]
    assert (found["serial"].distinct, found["serial"].distinct_exact) == (count, True)
    assert not found["hour"].distinct_exact
    assert not found["shuffled"].distinct_exact
    assert found["shuffled"].distinct == pytest.approx(count, rel=0.06)


def test_many_batches_and_parts_agree_with_exact_figures_and_with_themselves(room, monkeypatch):
    monkeypatch.setattr(module, "BATCH", 1000)
    count = 30_000
    rows = pl.DataFrame(
        {
            "x": [math.sin(n) * 100 for n in range(count)],
            "n": [(n * n) % 97 if n % 10 else None for n in range(count)],
            "w": [f"word {(n * n) % 31}" for n in range(count)],
            "key": [f"{n * 7919 % 1_000_003:06}" for n in range(count)],
        }
    )
    room.write("in/1.parquet", rows.head(12_345))
    room.write("in/2.parquet", rows.tail(count - 12_345))
    version = room.snapshot("in")
    profile = room.profile(version)
    found = {column.name: column for column in profile.columns}
    assert (found["x"].mean, found["x"].deviation) == (
        pytest.approx(rows["x"].mean(), abs=1e-9),
        pytest.approx(rows["x"].std(ddof=0)),
    )
    assert found["x"].quantiles["0.25"] == pytest.approx(rows["x"].quantile(0.25, "linear"))
    assert sum(found["x"].histogram[1]) == count
    assert found["n"].nulls == count // 10
    for name in ("n", "w"):
        counts = rows[name].drop_nulls().cast(pl.String).value_counts().rows()
        assert found[name].distinct == len(counts)
        assert found[name].top == tuple(sorted(counts, key=lambda pair: (-pair[1], pair[0])))[: module.TOP]
    assert found["key"].distinct == pytest.approx(count, rel=0.06)
    assert room.profile(version) == profile


def test_a_common_word_among_very_many_is_found(room):
    count = 50_000
    rows = pl.DataFrame({"w": ["common" if n % 10 == 0 else f"w{n}" for n in range(count)]})
    (column,) = columns(room, rows).values()
    assert column.top[0] == ("common", count // 10)


def test_progress_is_told(room):
    told = []
    version = room.keep(pl.DataFrame({"n": range(10)}))
    module.profile_rows(version, room.storage, room.scratch, progress=lambda text, done: told.append((text, done)))
    assert told == [("profiling 10 of 10 rows", 1.0)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.none() | st.floats(-1e300, 1e300), min_size=1, max_size=50))
def test_figures_of_numbers_are_sound(new_room, values):
    room = new_room()
    profile = room.profile(room.keep(pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64)})))
    (column,) = profile.columns
    known = [value for value in values if value is not None]
    assert from_json(to_json(profile), Profile) == profile
    assert (column.rows, column.nulls) == (len(values), len(values) - len(known))
    assert column.distinct == len({value + 0.0 for value in known})
    if known:
        assert (column.minimum, column.maximum) == (min(known), max(known))
        edges, counts = column.histogram
        assert sum(counts) == len(known)
        assert all(count >= 0 for count in counts)
        assert list(edges) == sorted(set(edges))
        quantiles = list(column.quantiles.values())
        assert quantiles == sorted(quantiles) or math.isclose(min(known), max(known), rel_tol=1e-9)


def test_flights_are_profiled_as_polars_sees_them(room, real):
    version = room.snapshot("nycflights13/flights.parquet", root=real)
    rows = room.rows(version)
    for column in room.profile(version).columns:
        values = rows[column.name]
        assert column.nulls == values.null_count()
        assert column.distinct == pytest.approx(
            values.drop_nulls().n_unique(), rel=0 if column.distinct_exact else 0.06
        )
        if column.mean is not None:
            assert column.mean == pytest.approx(values.mean())
            assert (column.minimum, column.maximum) == (values.min(), values.max())
