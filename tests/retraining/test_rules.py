"""The governor: every rule, and what holds for any sequence of requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.policies.retraining import Governor
from loopwright.retraining.records import (
    BacktestReport,
    GovernorState,
    LabelFacts,
    RetrainRequest,
    RetrainTrigger,
    SourceState,
)
from loopwright.retraining.rules import PATIENCE, breaker_wait, clear, govern, newer, status_after
from loopwright.retraining.worth import weigh

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
CALM = GovernorState(
    now=NOW,
    policy=Governor(cooldown="1h", per_week=3),
    champion=2,
    champion_until="2026-01-01",
    learned={"a" * 64: "version 2"},
    source=SourceState(digest="b" * 64, rows=150, newest="2026-01-09"),
)


def asked(trigger="new_data", **values) -> RetrainRequest:
    fixed = {"id": "request-1", "model": "demand", "cause": "x", "reason": "because", "requested": NOW, "actor": "me"}
    return RetrainRequest(trigger=trigger, **(fixed | values))


TROUBLES = {
    "busy": ({"busy": "run-1"}, "one_at_a_time"),
    "rollout": ({"rollout": "the rollout of version 3"}, "rollout"),
    "cooldown": ({"last_finished": NOW - timedelta(minutes=10)}, "cooldown"),
    "budget": ({"recent_runs": 3}, "budget"),
    "breaker": ({"failures": 3, "last_failed": NOW - timedelta(minutes=110)}, "breaker"),
    "freeze": ({"policy": Governor(cooldown="1h", per_week=3, freeze=("sat 00:00-sun 24:00",))}, "freeze"),
    "same rows": ({"source": SourceState(digest="a" * 64, rows=100)}, "new_rows"),
    "no newer row": ({"source": SourceState(digest="c" * 64, rows=100, newest="2026-01-01")}, "new_rows"),
}


@pytest.mark.parametrize("trigger", ["new_data", "schedule", "drift", "manual"])
def test_with_nothing_against_it_a_request_is_accepted(trigger):
    decision = govern(asked(trigger, version=2), CALM)
    assert decision.passed
    assert status_after(decision) == "accepted"


@pytest.mark.parametrize(
    ("trouble", "trigger", "status"),
    [
        ("busy", "new_data", "open"),
        ("busy", "drift", "open"),
        ("busy", "schedule", "refused"),
        ("busy", "manual", "refused"),
        ("rollout", "new_data", "open"),
        ("rollout", "schedule", "open"),
        ("rollout", "manual", "refused"),
        ("cooldown", "drift", "open"),
        ("cooldown", "manual", "refused"),
        ("budget", "new_data", "open"),
        ("budget", "manual", "refused"),
        ("breaker", "drift", "open"),
        ("breaker", "manual", "refused"),
        ("freeze", "schedule", "open"),
        ("freeze", "manual", "refused"),
        ("busy", "decay", "open"),
        ("same rows", "drift", "refused"),
        ("same rows", "schedule", "refused"),
        ("same rows", "manual", "refused"),
        ("no newer row", "drift", "refused"),
    ],
)
def test_each_rule_refuses_or_lets_wait_and_says_why(trouble, trigger, status):
    values, rule = TROUBLES[trouble]
    decision = govern(asked(trigger, version=2), replace(CALM, **values))
    assert status_after(decision) == status
    against = [reason for reason in decision.reasons if reason.finding != "pass"]
    assert [reason.rule for reason in against] == [rule]
    assert against[0].text


@pytest.mark.parametrize("trouble", sorted(TROUBLES))
def test_force_skips_all_rules_but_one_run_at_a_time(trouble):
    values, _ = TROUBLES[trouble]
    decision = govern(asked("manual", force=True), replace(CALM, **values))
    assert decision.passed is (trouble != "busy")


@pytest.mark.parametrize("trouble", sorted(TROUBLES))
def test_rows_are_looked_at_only_where_nothing_else_stands_in_the_way(trouble):
    values, _ = TROUBLES[trouble]
    assert clear(asked(), CALM)
    assert not clear(asked(), replace(CALM, **values))
    assert not clear(asked("manual", force=True), CALM)


@pytest.mark.parametrize(
    ("last", "waits"),
    [
        (NOW, True),
        (NOW - timedelta(minutes=59, seconds=59), True),
        (NOW - timedelta(hours=1), False),
        (NOW + timedelta(hours=1), True),  # another machine's clock is a little ahead
        (NOW + timedelta(hours=1, seconds=1), False),  # the clock was set back
        (NOW + timedelta(days=365), False),
    ],
)
def test_the_cooldown_at_its_edges_and_when_the_clock_is_set_back(last, waits):
    decision = govern(asked(), replace(CALM, last_finished=last))
    assert (status_after(decision) == "open") is waits


def test_however_many_failures_a_cool_down_of_days_waits_a_week_at_most():
    state = replace(CALM, policy=replace(CALM.policy, cooldown="1d"), failures=50)
    assert breaker_wait(state) == timedelta(days=7)


@pytest.mark.parametrize(
    ("failures", "ago", "waits"),
    [
        (2, timedelta(0), False),
        (3, timedelta(hours=2) - timedelta(seconds=1), True),
        (3, timedelta(hours=2), False),
        (4, timedelta(hours=4) - timedelta(seconds=1), True),
        (4, timedelta(hours=4), False),
        (50, timedelta(days=7) - timedelta(seconds=1), True),
        (50, timedelta(days=7), False),
    ],
)
def test_the_breaker_opens_for_a_growing_time_and_then_lets_one_try(failures, ago, waits):
    state = replace(CALM, failures=failures, last_failed=NOW - ago)
    decision = govern(asked(), state)
    assert (status_after(decision) == "open") is waits
    if waits:
        assert f"{failures} runs in a row failed or were refused" in decision.because()
        assert "loopwright monitor breaker reset demand" in decision.because()


def test_a_freeze_says_until_when_in_its_own_zone():
    policy = Governor(freeze=("sat 00:00-mon 08:00",), zone="Europe/Berlin")
    decision = govern(asked(), replace(CALM, policy=policy))
    assert "this one is over at 2026-01-12 08:00 Europe/Berlin" in decision.because()


POISONED = LabelFacts(recent=1000, earlier=1000, only=("0", 0.5))


@pytest.mark.parametrize(
    ("approval", "trigger", "labels", "status"),
    [
        ("suspect", "new_data", LabelFacts(recent=1000, earlier=1000), "accepted"),
        ("suspect", "new_data", POISONED, "open"),
        ("suspect", "manual", POISONED, "open"),
        ("suspect", "drift", None, "accepted"),
        ("never", "new_data", POISONED, "accepted"),
        ("always", "new_data", LabelFacts(recent=1000, earlier=1000), "open"),
        ("always", "schedule", None, "open"),
        ("always", "manual", LabelFacts(recent=1000, earlier=1000), "accepted"),
        ("always", "manual", POISONED, "open"),
    ],
)
def test_a_person_is_asked_as_the_policy_says(approval, trigger, labels, status):
    policy = replace(CALM.policy, approval=approval)
    state = replace(CALM, policy=policy, labels=labels)
    decision = govern(asked(trigger, version=2), state)
    assert status_after(decision) == status
    if status == "open":
        assert replace(asked(trigger), decision=decision).waits_for_approval
        assert "loopwright retrain --approve request-1" in decision.because()
        approved = asked(trigger, version=2, approved_by="ann")
        assert status_after(govern(approved, state)) == "accepted"
        late = replace(state, now=NOW + PATIENCE + timedelta(seconds=1))
        assert status_after(govern(asked(trigger, version=2), late)) == "refused"
    if labels is POISONED:
        assert "all 1,000 new rows have the label 0" in str(decision.reasons)


BACK = BacktestReport(
    version=2, metric="rmse", learned=900, seen=800, tested=300, difference=5.0, low=1.0, high=9.0, baseline=50.0
)


@pytest.mark.parametrize(
    ("changes", "finding", "said"),
    [
        ({}, "pass", "worth it"),
        ({"low": -1.0}, "pass", "not shown that it would help, nor that it would not"),
        ({"difference": -1.0, "low": -2.0, "high": 0.4}, "fail", "surely not help enough"),
        ({"difference": 0.2, "low": 0.1, "high": 0.4}, "fail", "surely not help enough"),
        ({"low": -2.0, "high": 0.4, "learned": 700}, "pass", "fewer rows to learn from"),
        ({"low": -2.0, "high": 0.4, "before": 40.0}, "pass", "may be too new"),
        ({"low": -2.0, "high": 0.4, "before": 60.0}, "fail", "surely not help enough"),
        ({"metric": "roc_auc", "baseline": 0.8, "low": -0.2, "high": 0.0, "before": 0.9}, "pass", "may be too new"),
        ({"metric": "roc_auc", "baseline": 0.8, "low": -0.2, "high": 0.0, "before": 0.7}, "fail", "surely not"),
        ({"low": None, "high": None}, "pass", "no bound"),
        ({"difference": None, "trouble": "it took longer than 60 seconds"}, "pass", "longer than 60 seconds"),
        ({"baseline": 0.0, "low": -2.0, "high": -1.0}, "fail", "surely not help enough"),
    ],
)
def test_a_backtest_refuses_only_where_retraining_would_surely_not_help(changes, finding, said):
    weighed = weigh(replace(BACK, **changes), 0.01)
    assert (weighed.finding, said in weighed.text) == (finding, True), weighed.text


@pytest.mark.parametrize(
    ("backtest", "triggers"),
    [
        ("unasked", {"drift", "decay", "schedule"}),
        ("always", {"drift", "decay", "schedule", "new_data"}),
        ("never", set()),
    ],
)
def test_who_is_tried_out_first(backtest, triggers):
    state = replace(CALM, policy=replace(CALM.policy, backtest=backtest), can_backtest=True)
    useless = replace(BACK, low=-2.0, high=0.0)
    for trigger in get_args(RetrainTrigger):
        request = asked(trigger, version=2)
        tried = trigger in triggers
        assert (status_after(govern(request, state)) == "open") is tried
        refused = status_after(govern(request, replace(state, backtest=useless))) == "refused"
        assert refused is tried
        assert status_after(govern(request, replace(state, backtest=BACK))) == "accepted"
    assert status_after(govern(asked("manual", force=True), state)) == "accepted"


@pytest.mark.parametrize("trigger", ["new_data", "drift", "decay"])
def test_what_was_seen_of_a_version_that_is_no_longer_champion_is_nobodys_cause(trigger):
    decision = govern(asked(trigger, version=1), CALM)
    assert status_after(decision) == "refused"
    seen = "new rows were counted beside" if trigger == "new_data" else f"{trigger} was found of"
    assert f"{seen} version 1, but the champion is now 2" in decision.because()


def test_a_refusal_carries_its_figures():
    decision = govern(asked("manual"), replace(CALM, recent_runs=3))
    assert decision.because() == "the week's budget is used up: 3 of 3 runs in the last seven days"


def test_a_waiting_request_says_the_same_thing_while_nothing_changes():
    state = replace(CALM, last_finished=NOW - timedelta(minutes=10))
    later = replace(state, now=NOW + timedelta(minutes=20))
    assert govern(asked(), state) == govern(asked(), later)


@pytest.mark.parametrize(
    ("found", "than", "expected"),
    [
        ("2026-01-02", "2026-01-01", True),
        ("2026-01-01", "2026-01-01", False),
        ("2026-01-01T10:00:00", "2026-01-01", True),
        ("2026-01-01T10:00:00+02:00", "2026-01-01T09:00:00Z", False),
        ("1000.5", "999", True),
        ("week 12", "week 11", True),
    ],
)
def test_newness_is_of_moments_then_numbers_then_text(found, than, expected):
    assert newer(found, than) is expected


@given(
    gaps=st.lists(st.integers(0, 7200), min_size=1, max_size=40),
    lengths=st.lists(st.integers(1, 3600), min_size=40, max_size=40),
)
@settings(max_examples=50, deadline=None)
def test_in_any_sequence_runs_keep_apart_by_the_cooldown_and_within_the_budget(gaps, lengths):
    """Requests come `gaps` seconds apart; each accepted one makes a run that takes so many seconds."""
    now, ends, starts = NOW, [], []
    for gap, length in zip(gaps, lengths, strict=False):
        now += timedelta(seconds=gap)
        busy = "run" if ends and ends[-1] > now else None
        state = replace(
            CALM,
            now=now,
            busy=busy,
            last_finished=max((end for end in ends if end <= now), default=None),
            recent_runs=sum(start > now - timedelta(days=7) for start in starts),
        )
        if govern(asked(), state).passed:
            assert not ends or now - ends[-1] >= timedelta(hours=1)
            starts.append(now)
            ends.append(now + timedelta(seconds=length))
    assert len(starts) <= 3
    assert starts
