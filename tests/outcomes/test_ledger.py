"""What came true of which prediction, and what was known when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from loopwright.outcomes.ledger import outcome_batches, read_ledger

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def values(storage, tmp_path):
    def read(as_of=None, **options):
        moment = None if as_of is None else START + timedelta(days=as_of)
        found = read_ledger(
            storage, "demand", START, START + timedelta(days=9), scratch=tmp_path, as_of=moment, **options
        )
        return {one["prediction_id"]: one["value"] for rows in found.values() for one in rows.iter_rows(named=True)}

    return read


def test_a_corrected_label_counts_from_the_moment_it_is_known(predicted, told, values):
    predicted({"prediction": [1.0, 2.0]}, ids=["a", "b"])
    told("a", 5, at=2)
    told("a", 7, at=4)
    assert values() == {"a": "7", "b": None}
    assert [values(as_of=day)["a"] for day in (1, 2, 3, 4)] == [None, "5", "5", "7"]


def test_a_label_told_late_was_not_known_before_it_came(predicted, told, values):
    predicted({"prediction": [1.0]}, ids=["a"])
    told("a", 5, at=1, on=6)
    assert values() == {"a": "5"}
    assert values(as_of=3) == {"a": None}


def test_of_two_labels_of_one_moment_the_one_told_later_counts(predicted, told, values):
    predicted({"prediction": [1.0]}, ids=["a"])
    told("a", 5, at=1, on=6)
    told("a", 9, at=1, on=2)
    assert values() == {"a": "5"}


def test_a_duplicate_is_one_label_and_one_for_nobody_is_nobodys(predicted, told, values):
    predicted({"prediction": [1.0]}, ids=["a"])
    for _ in range(3):
        told("a", 5)
    told("stranger", 5)
    assert values() == {"a": "5"}


def test_inputs_are_read_only_when_asked_for(predicted, storage, tmp_path):
    predicted({"prediction": [1.0]}, ids=["a"], city=["Bern"], age=[3])
    end = START + timedelta(days=1)
    for inputs, names in ((False, []), (True, ["input.city", "input.age"]), (["age", "other"], ["input.age"])):
        rows = read_ledger(storage, "demand", START, end, scratch=tmp_path, inputs=inputs)[1]
        assert [name for name in rows.columns if name.startswith("input.")] == names


def test_segments_of_different_inputs_are_one_table(predicted, storage, tmp_path):
    predicted({"prediction": [1.0]}, ids=["a"], age=[3])
    predicted({"prediction": [2.0]}, ids=["b"], city=["Bern"], version=2)
    found = read_ledger(storage, "demand", START, START + timedelta(days=1), scratch=tmp_path, inputs=True)
    assert sorted(found) == [1, 2]


def test_batches_are_listed_by_the_day_they_came(predicted, told, storage):
    told("a", 5, at=1)
    told("a", 6, at=3)
    assert len(outcome_batches(storage, "demand", START)) == 2
    assert len(outcome_batches(storage, "demand", START + timedelta(days=2))) == 1
    assert len(outcome_batches(storage, "demand", START, START + timedelta(days=2))) == 1


def test_nothing_captured_is_nothing_known(told, values):
    told("a", 5)
    assert values() == {}
