"""Inference: a first contract keeps the rows it came from and leaves room for the next ones."""

import datetime as dt

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.data.contract import ColumnRule, read_contract, write_contract

VALUES = {
    "integer": st.integers(-(2**63), 2**63 - 1),
    "number": st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
    "text": st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=5),
    "date": st.dates(),
    "datetime": st.datetimes(),
}


@st.composite
def tables(draw):
    height = draw(st.integers(1, 30))
    names = draw(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=5, unique=True))
    columns = {}
    for name in names:
        values = VALUES[draw(st.sampled_from(sorted(VALUES)))]
        columns[name] = draw(st.lists(values | st.none(), min_size=height, max_size=height))
    return pl.DataFrame(columns)


several = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@several
@given(rows=tables(), roles=st.tuples(*[st.sampled_from("abcdefgh")] * 3))
def test_a_contract_accepts_the_rows_it_was_inferred_from(new_room, rows, roles):
    room = new_room()
    key, time, target = roles if len(set(roles)) == 3 else ("a", "b", "c")
    version = room.keep(rows)
    contract = room.contract(version, target=target, key=key, time=time)
    report = room.validate(version, contract, tolerate=0.0, target=target)
    assert report.passed, report.decision.because()
    assert report.accepted == version
    assert report.quarantine is None
    path = room.folder / "c.yaml"
    write_contract(contract, path)
    assert read_contract(path) == contract


def test_numbers_get_a_range_as_wide_again_on_either_side(room):
    rule = room.contract(room.keep(pl.DataFrame({"n": [30, 10], "x": [1.5, 0.5]})))
    assert [(column.minimum, column.maximum) for column in rule.columns] == [(-10, 50), (-0.5, 2.5)]


def test_a_single_value_leaves_room_too(room):
    contract = room.contract(room.keep(pl.DataFrame({"n": [7, 7], "zero": [0, 0]})))
    assert [(column.minimum, column.maximum) for column in contract.columns] == [(0, 14), (-1, 1)]


def test_time_and_key_have_no_range(room):
    rows = pl.DataFrame(
        {"day": [dt.date(2024, 1, 1), dt.date(2024, 1, 9)], "id": [1, 2], "born": [dt.date(2000, 1, 1)] * 2}
    )
    contract = room.contract(room.keep(rows), time="day", key="id")
    assert contract.rule("day").maximum is None
    assert contract.rule("id").maximum is None
    assert contract.rule("born").maximum is not None


def test_a_column_that_only_grows_has_no_upper_bound(room):
    contract = room.contract(room.keep(pl.DataFrame({"n": [1, 2, 3, 4, 5], "m": [1, 2, 5, 3, 4]})))
    assert (contract.rule("n").minimum, contract.rule("n").maximum) == (-3, None)
    assert contract.rule("m").maximum == 9


def test_a_key_is_unique_where_it_was(room):
    rows = pl.DataFrame({"id": [1, 2, 3], "again": [1, 1, 3]})
    contract = room.contract(room.keep(rows), key="id")
    assert contract.rule("id").unique
    assert contract.rule("id").key
    contract = room.contract(room.keep(rows), key="again")
    assert not contract.rule("again").unique


def test_few_words_are_listed_and_many_are_not(room):
    few = [f"w{n % 3}" for n in range(200)]
    many = [f"w{n}" for n in range(200)]
    contract = room.contract(room.keep(pl.DataFrame({"few": few, "many": many})))
    assert contract.rule("few").values == ("w0", "w1", "w2")
    assert contract.rule("few").strangers == 0.05
    assert contract.rule("many").values == ()


def test_missing_values_are_allowed_where_they_were_seen_and_in_the_target(room):
    rows = pl.DataFrame({"full": [1] * 10, "holes": [None] + [1] * 9, "label": [1] * 10})
    contract = room.contract(room.keep(rows), target="label")
    assert contract.rule("full").required
    assert not contract.rule("holes").required
    assert contract.rule("holes").nulls == pytest.approx(0.3)
    assert not contract.rule("label").required


def test_a_tenth_of_the_rows_is_enough(room):
    assert room.contract(room.keep(pl.DataFrame({"a": range(200)}))).min_rows == 20
    assert room.contract(room.keep(pl.DataFrame({"a": [1]}))).min_rows == 1


def test_of_a_dropped_column_only_the_kind_is_kept(room):
    rows = pl.DataFrame({"n": [3, 1], "w": ["a", "b"]})
    contract = room.contract(room.keep(rows), drop=("n", "w"))
    assert contract.columns == (ColumnRule(name="n", kind="integer"), ColumnRule(name="w", kind="text"))
