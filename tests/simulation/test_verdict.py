"""What follows from what happened: changes met, alarms told apart, recovery."""

from __future__ import annotations

import pytest

from loopwright.simulation.records import Change, Day, Drift, Labels, Outage, Scenario
from loopwright.simulation.verdict import changes, disturbed, false_alarms, meet, quiet_days, recovery


def days(loop: list[float | None], oracle: float = 1.0) -> list[Day]:
    return [
        Day(day=day, version=1, requests=10, failed=0, loop=value, oracle=oracle, never=2.0)
        for day, value in enumerate(loop)
    ]


def test_a_drift_that_comes_again_changes_the_world_each_time_it_comes_and_goes() -> None:
    scenario = Scenario(drift=(Drift(kind="concept", at=2, lasts=3, every=10),))
    assert [began for began, _, _ in changes(scenario, 20)] == [2, 5, 12, 15]


def test_nothing_changes_after_the_last_day() -> None:
    assert changes(Scenario(drift=(Drift(kind="covariate", at=30),)), 30) == []


def test_an_error_that_never_rises_does_no_harm() -> None:
    assert recovery(days([1.0] * 10), 5, 5, 10) == (False, 0.0)


def test_one_bad_day_is_chance() -> None:
    assert recovery(days([1.0] * 5 + [1.5] + [1.0] * 4), 5, 5, 10) == (False, 0.0)


def test_recovery_is_counted_from_the_change_to_the_first_of_two_good_days() -> None:
    assert recovery(days([1.0] * 5 + [1.5, 1.5, 1.0, 1.5, 1.0, 1.0]), 5, 5, 11) == (True, 4)


def test_what_never_comes_down_again_is_never_recovered_from() -> None:
    assert recovery(days([1.0] * 5 + [1.5] * 5), 5, 5, 10) == (True, None)


def test_a_gradual_change_is_not_recovered_from_before_it_is_complete() -> None:
    assert recovery(days([1.0, 1.5, 1.5, 1.0, 1.0, 1.5, 1.0, 1.0, 1.0]), 1, 6, 9) == (True, 6)


def test_what_was_usual_before_is_the_measure() -> None:
    """A loop that always was a third worse than the oracle has recovered when it is so again."""
    assert recovery(days([1.3] * 5 + [1.6, 1.6, 1.3, 1.3]), 5, 5, 9) == (True, 2)


def test_days_without_an_error_are_passed_over() -> None:
    assert recovery(days([1.0, 1.0, None, 1.5, None, 1.5, 1.0, 1.0]), 2, 2, 8) == (True, 4)


def test_a_change_is_detected_by_the_first_alarm_after_it_and_before_the_next() -> None:
    happened = [(2.0, 2.0, "a"), (6.0, 6.0, "b")]
    first, second = meet(happened, days([1.0] * 10), [1.0, 3.5, 5.0])
    assert (first.detected, second.detected) == (1.5, None)


def test_nothing_happens_to_be_met() -> None:
    assert meet([], days([1.0]), [0.5]) == ()


def test_alarms_are_false_outside_of_what_explains_them() -> None:
    scenario = Scenario(labels=Labels(delay=1), outage=(Outage(of="labels", at=10, lasts=2),))
    spans = disturbed(scenario, (), 30)
    assert spans == [(10, 15)]
    assert false_alarms([9.0, 11.0, 14.9, 16.0], spans) == 2
    assert quiet_days(spans, 30) == 25


@pytest.mark.parametrize(("harm", "recovered", "until"), [(True, 4.0, 9 + 2 + 1), (True, None, 30), (False, 0.0, 30)])
def test_a_change_explains_alarms_until_it_is_recovered_from(harm: bool, recovered: float | None, until: float) -> None:
    change = Change(day=5, text="", detected=None, harm=harm, recovered=recovered)
    assert disturbed(Scenario(), (change,), 30) == [(5, until)]


def test_spans_that_overlap_are_counted_once() -> None:
    assert quiet_days([(0, 10), (5, 12), (20, 25)], 30) == 30 - 12 - 5
