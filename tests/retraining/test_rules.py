"""The governor: every rule, and what holds for any sequence of requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.declare import Governor
from loopwright.retraining.records import GovernorState, RetrainRequest, SourceState
from loopwright.retraining.rules import govern, newer, status_after

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


def test_drift_of_a_version_that_is_no_longer_champion_is_nobodys_cause():
    decision = govern(asked("drift", version=1), CALM)
    assert status_after(decision) == "refused"
    assert "drift was found of version 1, but the champion is now 2" in decision.because()


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
