"""A trigger makes the same request of the same cause, and none without one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.errors import DeclarationError
from loopwright.policies.retraining import NewData
from loopwright.retraining.records import SourceState
from loopwright.retraining.triggers import by_new_data, by_schedule, latest_slot

NOW = datetime(2026, 1, 7, 12, tzinfo=UTC)


def test_the_latest_slot_is_due_once_and_missed_ones_are_one_with_it():
    seen = NOW - timedelta(days=30)
    first = by_schedule("demand", "0 3 * * *", seen, None, NOW)
    assert first.cause == "schedule 0 3 * * * at 2026-01-07T03:00Z"
    assert by_schedule("demand", "0 3 * * *", seen, None, NOW + timedelta(hours=10)).id == first.id
    assert by_schedule("demand", "0 3 * * *", seen, None, NOW + timedelta(days=1)).id != first.id


def test_slots_before_the_schedule_was_known_are_nobodys():
    assert by_schedule("demand", "0 3 * * *", NOW - timedelta(hours=1), None, NOW) is None
    assert by_schedule("demand", "0 3 * * *", NOW - timedelta(hours=1), None, NOW + timedelta(days=1)) is not None


@given(st.integers(0, 365 * 86400))
@settings(max_examples=50, deadline=None)
def test_the_latest_slot_is_never_in_the_future_and_never_a_period_old(seconds):
    now = NOW + timedelta(seconds=seconds)
    slot = latest_slot("demand", "*/15 * * * *", now)
    assert slot <= now < slot + timedelta(minutes=15)
    assert (slot.minute % 15, slot.second, slot.microsecond) == (0, 0, 0)


def test_a_schedule_that_names_no_time_is_refused_with_its_text():
    with pytest.raises(DeclarationError, match="61 3"):
        latest_slot("demand", "61 3 * * *", NOW)


@pytest.mark.parametrize(
    ("rows", "champion_rows", "min_rows", "unseen"),
    [(150, 100, 1, 50), (150, 100, 51, None), (100, 100, 1, 100), (80, 100, 50, 80), (80, 0, 1, 80)],
)
def test_unseen_rows_are_those_beyond_the_champions_or_all_of_a_source_that_was_rewritten(
    rows, champion_rows, min_rows, unseen
):
    source = SourceState(digest="new", rows=rows)
    request = by_new_data("demand", NewData(min_rows), source, None, champion_rows, NOW)
    if unseen is None:
        assert request is None
    else:
        assert f"{unseen} rows" in request.reason
