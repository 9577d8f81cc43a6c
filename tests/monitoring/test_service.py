"""Windows are judged once, and an incident is one alert."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from loopwright.declare import Declaration, Drift
from loopwright.testing.notifier import MemoryNotifier

AN_HOUR = 3660
WARM = (0, 0, 0, 100, 900, 0)


@pytest.fixture
def declared() -> dict[str, Declaration]:
    return {"demand": Declaration(name="demand", source="x.csv", target="cnt", drift=Drift(window="1h"))}


def test_a_window_like_the_reference_passes(monitors, promote, traffic, clock, declared):
    promote("first")
    traffic()
    clock.sleep(AN_HOUR)
    (finding,) = [one for one in monitors.tick(declared) if one.kind == "drift"]
    assert finding.passed
    assert finding.judged
    assert finding.rows == 1000
    assert (finding.window_start, finding.window_end) == (
        datetime(2026, 1, 1, 0, tzinfo=UTC),
        datetime(2026, 1, 1, 1, tzinfo=UTC),
    )


def test_a_drifted_window_fails_and_opens_an_alert(monitors, promote, traffic, clock, declared):
    promote("first")
    traffic(temp=WARM)
    clock.sleep(AN_HOUR)
    (finding,) = [one for one in monitors.tick(declared) if one.kind == "drift"]
    assert not finding.passed
    assert "input.temp drifted" in finding.decision.because()
    (alert,) = monitors.alerts("demand", open_only=True)
    assert (alert.rule, alert.severity, alert.evidence) == ("drift", "warning", finding.id)


def test_ticking_again_finds_nothing_new(monitors, promote, traffic, clock, declared):
    promote("first")
    traffic(temp=WARM)
    clock.sleep(AN_HOUR)
    assert monitors.tick(declared)
    assert monitors.tick(declared) == []


def test_a_window_is_not_judged_before_late_summaries_could_come(monitors, promote, traffic, clock, declared):
    promote("first")
    traffic(temp=WARM)
    clock.sleep(3600 - 30)
    assert monitors.tick(declared) == []
    clock.sleep(120)
    assert monitors.tick(declared)


def test_an_incident_that_lasts_is_one_alert_and_recovery_closes_it(monitors, promote, traffic, clock, declared):
    promote("first")
    notifier = MemoryNotifier()
    for _ in range(3):
        traffic(temp=WARM)
        clock.sleep(AN_HOUR)
        monitors.tick(declared)
        monitors.tell(notifier)
    assert len(monitors.alerts("demand")) == 1
    assert len(notifier.notices) == 1
    traffic()
    clock.sleep(AN_HOUR)
    monitors.tick(declared)
    monitors.tell(notifier)
    (alert,) = monitors.alerts("demand")
    assert alert.closed is not None
    assert [notice.severity for notice in notifier.notices] == ["warning", "info"]
    assert monitors.tell(notifier) == 0
