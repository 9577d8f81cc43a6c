"""An alert opens after so many bad windows in a row, and is over after so many good ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.decision import Decision, Reason
from loopwright.errors import DeclarationError
from loopwright.monitoring.incidents import Signal, Streak, counted, finding_signal, turn
from loopwright.monitoring.records import Finding, FindingKind, RuleName
from loopwright.policies.alerts import AlertRule, Alerts

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def signal(passed: bool, place: int = 0, version: int | None = 1) -> Signal:
    return Signal(
        model="demand", rule="drift", passed=passed, text="said", evidence=f"finding-{place}", at=NOW, version=version
    )


def finding(kind: FindingKind, *, passed: bool, judged: bool = True) -> Finding:
    reason = Reason(rule=kind, finding="pass" if passed else "fail", text="said")
    return Finding(
        id="finding-1",
        model="demand",
        endpoint="demand",
        version=1,
        kind=kind,
        window_start=NOW,
        window_end=NOW,
        rows=0,
        judged=judged,
        decision=Decision(passed=passed, reasons=(reason,)),
        columns=(),
        at=NOW,
    )


@given(
    windows=st.lists(st.booleans(), max_size=40),
    after=st.integers(1, 4),
    recover=st.integers(1, 4),
)
@settings(max_examples=200, deadline=None)
def test_it_is_open_exactly_when_the_last_turning_run_of_windows_was_bad(windows, after, recover):
    rule, streak, is_open = AlertRule(after=after, recover=recover), Streak(), False
    for place, passed in enumerate(windows):
        streak = counted(streak, signal(passed, place))
        step = turn(streak, rule, is_open=is_open)
        assert step in ((None, "close") if is_open else (None, "open"))
        is_open = is_open if step is None else step == "open"
        assert is_open == _open_by_hand(windows[: place + 1], after, recover)


def _open_by_hand(windows: list[bool], after: int, recover: int) -> bool:
    """From the end backwards: whichever of `after` bad and `recover` good ones in a row is met first."""
    for end in range(len(windows), 0, -1):
        if end >= recover and all(windows[end - recover : end]):
            return False
        if end >= after and not any(windows[end - after : end]):
            return True
    return False


def test_another_versions_windows_are_counted_anew():
    streak = counted(counted(Streak(), signal(False, 1, version=1)), signal(False, 2, version=2))
    assert (streak.failing, streak.version) == (1, 2)


@pytest.mark.parametrize("kind", get_args(FindingKind))
def test_every_kind_of_finding_has_a_rule_and_words(kind):
    said = finding_signal(finding(kind, passed=False))
    assert said is not None
    assert said.title.startswith("demand version 1: ")
    assert isinstance(getattr(Alerts(), kind), AlertRule)


def test_a_window_with_too_little_in_it_says_nothing_but_a_bad_one_is_bad_even_so():
    assert finding_signal(finding("drift", passed=True, judged=False)) is None
    assert finding_signal(finding("volume", passed=False, judged=False)) is not None


def test_the_policy_has_one_rule_for_each_name_and_no_other():
    names = {name for one in get_args(RuleName) for name in (get_args(one) or (one,))}
    assert {name for name in Alerts.__slots__ if isinstance(getattr(Alerts(), name), AlertRule)} == names


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: AlertRule("loud"),
        lambda: AlertRule(after=0),
        lambda: AlertRule(recover=0),
        lambda: Alerts(remind="soon"),
        lambda: Alerts(remind="0d"),
        lambda: Alerts(critical="oncall"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused(wrong):
    with pytest.raises(DeclarationError):
        wrong()
