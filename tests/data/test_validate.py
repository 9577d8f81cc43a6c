"""Rows against their contract: what is set aside and why, what is refused, and that the same inputs give the same."""

import dataclasses
import datetime as dt

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.data.contract import ColumnRule, DataContract

moment = dt.datetime.fromisoformat
BASE = moment("2024-01-01T00:00:00")


def contract(*columns, **whole):
    return DataContract(name="set", columns=columns, **whole)


def reasons(report, finding="fail"):
    return {reason.rule: reason.text for reason in report.decision.reasons if reason.finding == finding}


def test_rows_that_keep_the_contract_are_accepted_as_they_are(room):
    version = room.keep(pl.DataFrame({"n": [1, 2, None], "w": ["a", "b", "a"]}))
    rules = contract(
        ColumnRule(name="n", kind="integer", minimum=1, maximum=2), ColumnRule(name="w", kind="text", required=True)
    )
    stored = dict(room.storage.objects)
    report = room.validate(version, rules, tolerate=0)
    assert report.passed
    assert (report.accepted, report.quarantine, report.bad_rows, report.broken) == (version, None, 0, {})
    assert room.storage.objects == stored


def test_bad_rows_go_to_quarantine_each_with_its_reasons(room):
    version = room.keep(
        pl.DataFrame(
            {
                "id": [1, 2, 2, 4, 5, 6],
                "n": [0.5, 9.5, 0.5, -3.0, 0.5, 0.5],
                "w": ["a", "a", None, "zz", "A1", "b"],
                "day": [dt.date(2024, 1, 1)] * 5 + [dt.date(2025, 1, 1)],
            }
        )
    )
    rules = contract(
        ColumnRule(name="id", kind="integer", unique=True),
        ColumnRule(name="n", kind="number", minimum=0.0, maximum=9.0),
        ColumnRule(name="w", kind="text", required=True, pattern="[a-z]"),
        ColumnRule(name="day", kind="date", maximum=dt.datetime(2024, 6, 1, tzinfo=dt.UTC).timestamp()),
    )
    report = room.validate(version, rules, tolerate=0.9)
    assert report.passed
    bad = room.quarantined(report)
    assert bad.columns == ["id", "n", "w", "day", "reason"]
    assert bad["reason"].to_list() == [
        "n 9.5 is above 9.0",
        "id 2 stands in an earlier row already; w is missing",
        "n -3.0 is below 0.0; w zz does not match [a-z]",
        "w A1 does not match [a-z]",
        "day 2025-01-01 is above 2024-06-01",
    ]
    assert room.rows(report.accepted)["id"].to_list() == [1]
    assert (report.bad_rows, report.accepted.rows) == (5, 1)
    assert report.broken == {
        "id: unique": 1,
        "n: minimum": 1,
        "n: maximum": 1,
        "w: required": 1,
        "w: pattern": 2,
        "day: maximum": 1,
    }


def test_past_the_tolerated_share_the_batch_is_refused(room):
    version = room.keep(pl.DataFrame({"n": [1] * 9 + [99]}))
    rules = contract(ColumnRule(name="n", kind="integer", maximum=5))
    assert room.validate(version, rules, tolerate=0.1).passed
    report = room.validate(version, rules, tolerate=0.09)
    assert not report.passed
    assert reasons(report) == {
        "bad rows": "1 of 10 rows break the contract: n: maximum (1); at most 9.0% may",
    }
    assert room.quarantined(report).height == 1


def test_parts_without_bad_rows_are_shared(room):
    for month in range(1, 4):
        room.write(f"{month}.csv", f"month,n\n{month},1\n{month},{90 if month == 2 else 2}\n")
    version = room.snapshot("*.csv")
    report = room.validate(version, contract(ColumnRule(name="n", kind="integer", maximum=5)), tolerate=0.5)
    assert report.accepted.parts[0] == version.parts[0]
    assert report.accepted.parts[2] == version.parts[2]
    assert report.accepted.parts[1].key != version.parts[1].key
    assert room.rows(report.accepted).rows() == [(1, 1), (1, 2), (2, 1), (3, 1), (3, 2)]


def test_a_part_with_nothing_but_bad_rows_is_left_out(room):
    room.write("1.csv", "n\n1\n")
    room.write("2.csv", "n\n99\n")
    report = room.validate(
        room.snapshot("*.csv"), contract(ColumnRule(name="n", kind="integer", maximum=5)), tolerate=0.5
    )
    assert [part.origin for part in report.accepted.parts] == ["1.csv"]


def test_where_every_row_is_bad_none_is_accepted(room):
    version = room.keep(pl.DataFrame({"n": [99, 98]}))
    report = room.validate(version, contract(ColumnRule(name="n", kind="integer", maximum=5)))
    assert not report.passed
    assert report.accepted.rows == 0
    assert room.rows(report.accepted).schema == {"n": pl.Int64}
    assert room.quarantined(report).height == 2


def test_the_same_inputs_give_the_same_objects(room):
    version = room.keep(pl.DataFrame({"n": [1, 99, 3]}))
    rules = contract(ColumnRule(name="n", kind="integer", maximum=5))
    first = room.validate(version, rules)
    stored = dict(room.storage.objects)
    assert room.validate(version, rules) == first
    assert room.storage.objects == stored
    other = room.validate(version, dataclasses.replace(rules, version="1.0.1"))
    assert other.quarantine != first.quarantine


def test_a_column_gone_is_refused_and_an_extra_one_warned_of(room):
    version = room.keep(pl.DataFrame({"n": [1], "new": [2]}))
    report = room.validate(
        version, contract(ColumnRule(name="n", kind="integer"), ColumnRule(name="gone", kind="text"))
    )
    assert not report.passed
    assert reasons(report) == {"missing column": "the column 'gone' (text) is gone"}
    assert reasons(report, "warn") == {"extra column": "the column 'new' is new; the contract does not know it"}


def test_a_column_of_another_kind_is_refused(room):
    version = room.keep(pl.DataFrame({"flag": [True]}))
    report = room.validate(version, contract(ColumnRule(name="flag", kind="number", minimum=0)))
    assert reasons(report) == {"retyped column": "the column 'flag' was number and is boolean now"}


def test_numbers_may_come_as_integers_and_integers_as_numbers_with_a_warning(room):
    version = room.keep(pl.DataFrame({"x": [1, 2], "n": [1.5, 2.0]}))
    report = room.validate(version, contract(ColumnRule(name="x", kind="number"), ColumnRule(name="n", kind="integer")))
    assert report.passed
    assert reasons(report, "warn") == {"retyped column": "the column 'n' was integer and is number now"}
    assert report.accepted.kinds == {"x": "number", "n": "number"}
    assert room.rows(report.accepted).schema == {"x": pl.Float64, "n": pl.Float64}


def test_words_among_numbers_are_set_aside_and_the_column_stays_a_number(room):
    room.write("a.csv", "n,day\n1.5,2024-01-01\nabc,2024-01-02\nNA,2024-01-03\n,someday\n4,2024-01-05 10:00:00\n")
    version = room.snapshot("a.csv")
    assert version.kinds == {"n": "text", "day": "text"}
    rules = contract(ColumnRule(name="n", kind="number", maximum=3.0), ColumnRule(name="day", kind="datetime"))
    report = room.validate(version, rules, tolerate=0.9)
    assert report.accepted.kinds == {"n": "number", "day": "datetime"}
    assert room.rows(report.accepted).rows() == [(1.5, BASE), (None, moment("2024-01-03T00:00:00"))]
    assert room.quarantined(report)["reason"].to_list() == [
        "n abc is no number",
        "day someday is no datetime",
        "n 4.0 is above 3.0",
    ]
    assert not room.validate(version, rules, tolerate=0.05).passed


def test_a_missing_label_is_no_bad_row(room):
    version = room.keep(pl.DataFrame({"n": [1, 2], "label": [None, "x"]}))
    rules = contract(
        ColumnRule(name="n", kind="integer", required=True),
        ColumnRule(name="label", kind="text", required=True, nulls=0.0),
    )
    assert room.validate(version, rules, target="label").passed
    assert not room.validate(version, rules).passed
    none = room.keep(pl.DataFrame({"n": [1, 2], "label": pl.Series([None, None], dtype=pl.String)}))
    assert room.validate(none, rules, target="label").passed


def test_strange_values_are_tolerated_up_to_their_share(room):
    rule = ColumnRule(name="w", kind="text", values=("a", "b"), strangers=0.2)
    few = room.keep(pl.DataFrame({"w": ["a"] * 8 + ["x", "y"]}))
    report = room.validate(few, contract(rule))
    assert report.passed
    assert report.accepted == few
    assert reasons(report, "warn") == {
        "w: values": "2 of 10 rows hold a value of w that the contract does not list; up to 20.0% may"
    }
    many = room.keep(pl.DataFrame({"w": ["a"] * 7 + ["x", "y", "z"]}))
    report = room.validate(many, contract(rule))
    assert not report.passed
    assert room.quarantined(report)["reason"][0] == "w x is none of the values known"


def test_too_many_missing_values_and_an_empty_column_are_refused(room):
    rows = pl.DataFrame({"half": [1, None], "none": pl.Series([None, None], dtype=pl.Int64), "free": [None, None]})
    rules = contract(
        ColumnRule(name="half", kind="integer", nulls=0.4),
        ColumnRule(name="none", kind="integer", nulls=0.9),
        ColumnRule(name="free", kind="text"),
    )
    assert reasons(room.validate(room.keep(rows), rules)) == {
        "half: nulls": "50.0% of half is missing, at most 40.0% may be",
        "none: empty": "the column 'none' holds no value at all",
    }


def test_an_empty_required_column_is_refused_for_being_empty(room):
    rows = pl.DataFrame({"n": pl.Series([None, None], dtype=pl.Int64)})
    report = room.validate(
        room.keep(rows), contract(ColumnRule(name="n", kind="integer", required=True)), tolerate=0.99
    )
    assert "n: empty" in reasons(report)


@pytest.mark.parametrize(("low", "high", "passed"), [(3, None, True), (4, None, False), (1, 3, True), (1, 2, False)])
def test_row_count(room, low, high, passed):
    version = room.keep(pl.DataFrame({"n": [1, 2, 3]}))
    report = room.validate(version, contract(ColumnRule(name="n", kind="integer"), min_rows=low, max_rows=high))
    assert report.passed is passed


@pytest.mark.parametrize(("hour", "passed"), [(10, True), (13, False)])
def test_freshness(room, hour, passed):
    version = room.keep(pl.DataFrame({"at": [BASE, BASE.replace(hour=11), None]}))
    rules = contract(ColumnRule(name="at", kind="datetime"), freshness=("at", "1d"))
    report = room.validate(version, rules, now=dt.datetime(2024, 1, 2, hour, tzinfo=dt.UTC))
    assert report.passed is passed
    assert "the newest at is 2024-01-01 11:00, it may be 1d old" in {reason.text for reason in report.decision.reasons}


def test_freshness_without_a_date_is_refused(room):
    version = room.keep(pl.DataFrame({"at": pl.Series([None], dtype=pl.Datetime("us")), "n": [1]}))
    rules = contract(
        ColumnRule(name="at", kind="datetime"), ColumnRule(name="n", kind="integer"), freshness=("at", "1d")
    )
    assert reasons(room.validate(version, rules)) == {"freshness": "at holds no date to tell freshness by"}


def test_duplicates_are_found_across_parts(room):
    room.write("1.csv", "id,n\n1,1\n2,1\n")
    room.write("2.csv", "id,n\n2,2\n3,2\n,2\n,3\n")
    report = room.validate(
        room.snapshot("*.csv"), contract(ColumnRule(name="id", kind="integer", unique=True)), tolerate=0.5
    )
    assert room.rows(report.accepted).rows() == [(1, 1), (2, 1), (3, 2), (None, 2), (None, 3)]
    assert room.quarantined(report).rows() == [(2, 2, "id 2 stands in an earlier row already")]


def test_a_column_called_reason_keeps_its_values_in_quarantine(room):
    version = room.keep(pl.DataFrame({"reason": ["late", "early"], "n": [1, 99]}))
    report = room.validate(
        version, contract(ColumnRule(name="n", kind="integer", maximum=5), ColumnRule(name="reason", kind="text"))
    )
    assert room.quarantined(report).to_dicts() == [
        {"reason (of the source)": "early", "n": 99, "reason": "n 99 is above 5"}
    ]


def test_a_column_the_contract_does_not_know_comes_along(room):
    version = room.keep(pl.DataFrame({"n": [1, 99], "extra": ["x", "y"]}))
    report = room.validate(version, contract(ColumnRule(name="n", kind="integer", maximum=5)), tolerate=0.5)
    assert room.rows(report.accepted).to_dicts() == [{"n": 1, "extra": "x"}]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(
        st.lists(
            st.tuples(st.none() | st.integers(0, 9), st.none() | st.sampled_from("abc"), st.floats(-1, 1)),
            min_size=1,
            max_size=8,
        ),
        min_size=1,
        max_size=3,
    ),
    low=st.integers(0, 9),
    required=st.booleans(),
    unique=st.booleans(),
)
def test_accepted_and_quarantined_rows_are_all_rows(new_room, parts, low, required, unique):
    room = new_room()
    schema = {"n": pl.Int64, "w": pl.String, "x": pl.Float64}
    for place, rows in enumerate(parts):
        room.write(f"{place}.parquet", pl.DataFrame(rows, schema=schema, orient="row"))
    version = room.snapshot("*.parquet")
    rules = contract(
        ColumnRule(name="n", kind="integer", minimum=low, unique=unique),
        ColumnRule(name="w", kind="text", required=required, values=("a", "b")),
        ColumnRule(name="x", kind="number", maximum=0.5),
    )
    report = room.validate(version, rules)
    kept = room.rows(report.accepted)
    bad = room.quarantined(report).drop("reason") if report.quarantine else kept.clear()
    assert kept.height == report.accepted.rows
    assert bad.height == report.bad_rows
    assert sorted(map(repr, [*kept.rows(), *bad.rows()])) == sorted(repr(row) for rows in parts for row in rows)
    assert room.validate(report.accepted, rules, tolerate=0).bad_rows == 0 if report.accepted.rows else True
    assert report.passed == (
        report.bad_rows <= 0.05 * version.rows
        and report.accepted.rows > 0
        and "n: empty" not in reasons(report)
        and "w: empty" not in reasons(report)
    )


@pytest.mark.parametrize("source", ["bike_sharing_hourly/hour.csv", "nycflights13/flights.parquet"])
def test_real_sets_keep_the_contract_inferred_from_their_first_half(room, real, source):
    version = room.snapshot(source, root=real)
    rows = room.rows(version)
    room.write("half.parquet", rows.head(rows.height // 2))
    rules = room.contract(room.snapshot("half.parquet"))
    report = room.validate(version, rules)
    assert report.passed, report.decision.because()
