"""Windows are judged once, and an incident is one alert."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from loopwright.declare import Declaration
from loopwright.errors import LoopwrightError
from loopwright.policies.retraining import Drift, NewData
from loopwright.policies.rollout import Canary
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


def test_a_version_that_took_over_late_in_a_window_is_not_judged_by_its_hours(
    monitors, promote, traffic, clock, declared
):
    promote("first")
    for _ in range(45):
        traffic()
    promote("second")
    for _ in range(15):
        traffic(2, temp=WARM)
    clock.sleep(AN_HOUR / 4)
    found = {one.kind: one for one in monitors.tick(declared)}
    assert not found["drift"].judged
    assert "75% of its rows came at other times of the window" in found["drift"].decision.because()
    assert monitors.alerts("demand", open_only=True) == []
    traffic(2, temp=WARM)
    clock.sleep(AN_HOUR)
    found = {one.kind: one for one in monitors.tick(declared)}
    assert not found["drift"].passed
    assert "is it computed as it was in training?" in found["quality"].decision.because()  # its first window judged


def test_a_few_rows_at_odd_times_are_called_few_and_no_taking_over(monitors, promote, traffic, clock, declared):
    promote("first")
    promote("second")
    for minute in range(60):
        traffic(1)
        if minute == 30:
            traffic(2, temp=(0, 5, 0, 0, 0, 0))
    clock.sleep(AN_HOUR / 4)
    (finding,) = [one for one in monitors.tick(declared) if one.kind == "drift"]
    assert not finding.judged
    assert "5 rows came, fewer than" in finding.decision.because()


def test_a_version_that_shares_a_window_evenly_is_judged(monitors, promote, traffic, clock, declared):
    promote("first")
    promote("second")
    for _ in range(30):
        traffic(1)
        traffic(2, temp=WARM)
    clock.sleep(AN_HOUR / 4)
    (finding,) = [one for one in monitors.tick(declared) if one.kind == "drift"]
    assert finding.judged
    assert not finding.passed


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
        monitors.alerting.tell({"log": notifier})
    assert len(monitors.alerts("demand")) == 1
    assert len(notifier.notices) == 1
    traffic()
    clock.sleep(AN_HOUR)
    monitors.tick(declared)
    monitors.alerting.tell({"log": notifier})
    (alert,) = monitors.alerts("demand")
    assert alert.closed is not None
    assert [notice.severity for notice in notifier.notices] == ["warning", "info"]
    assert monitors.alerting.tell({"log": notifier}) == 0


def test_a_window_of_few_rows_is_kept_but_not_judged_and_closes_nothing(monitors, promote, traffic, clock, declared):
    promote("first")
    traffic(temp=WARM)
    clock.sleep(AN_HOUR)
    monitors.tick(declared)
    traffic(temp=(0, 10, 10, 10, 10, 0), weather=(20, 12, 8, 0), prediction=(0, 20, 20, 0))
    clock.sleep(AN_HOUR)
    finding = next(one for one in monitors.tick(declared) if one.kind == "drift")
    assert (finding.judged, finding.passed) == (False, True)
    assert "40 rows came, fewer than 200" in finding.decision.because()
    assert len(monitors.alerts("demand", open_only=True)) == 1


def test_the_traffic_of_other_versions_is_not_the_champions(monitors, promote, traffic, clock, declared):
    promote("first")
    promote("second")
    traffic(1, temp=WARM)
    clock.sleep(AN_HOUR)
    assert monitors.tick(declared) == []


def test_windows_missed_while_the_platform_was_down_are_judged_each(monitors, promote, traffic, clock, declared):
    promote("first")
    for _ in range(3):
        traffic()
        clock.sleep(AN_HOUR)
    found = [one for one in monitors.tick(declared) if one.kind == "drift"]
    assert [one.window_start.hour for one in found] == [0, 1, 2]


def test_a_new_champion_ends_the_alerts_about_the_old_one(monitors, promote, traffic, clock, declared):
    promote("first")
    traffic(temp=WARM)
    clock.sleep(AN_HOUR)
    monitors.tick(declared)
    promote("second")
    monitors.tick(declared)
    (alert,) = monitors.alerts("demand")
    assert alert.recovery == "version 2 has taken over from version 1"


def test_failing_requests_are_told_within_minutes(monitors, promote, traffic, clock, declared):
    promote("first")
    traffic()
    traffic(errors=200)
    clock.sleep(420)
    (finding,) = monitors.tick(declared)
    assert finding.kind == "errors"
    assert "200 of 2200 requests failed" in finding.decision.because()
    (alert,) = monitors.alerts("demand", open_only=True)
    assert (alert.rule, alert.severity) == ("errors", "critical")
    for closed in (False, True):
        traffic()
        clock.sleep(420)
        monitors.tick(declared)
        assert ("errors" not in {one.rule for one in monitors.alerts("demand", open_only=True)}) == closed


def test_slow_answers_are_told_against_the_versions_own_usual_ones(monitors, promote, traffic, clock, declared):
    promote("first")
    traffic(ms=2.0)
    clock.sleep(420)
    assert monitors.tick(declared) == []
    traffic(ms=40.0)
    clock.sleep(420)
    (finding,) = monitors.tick(declared)
    assert finding.kind == "latency"
    traffic(ms=2.0)
    clock.sleep(420)
    monitors.tick(declared)
    assert monitors.alerts("demand", open_only=True) == []


def test_sound_windows_leave_no_findings_of_errors_and_latency(monitors, promote, traffic, clock, declared):
    promote("first")
    for _ in range(3):
        traffic()
        clock.sleep(300)
        monitors.tick(declared)
    assert monitors.findings("demand") == []


def test_a_failed_run_opens_an_alert_and_the_next_success_closes_it(monitors, journal, clock, declared):
    for status in ("failed", "failed", "succeeded"):
        journal.submit("demand", cause="test", actor="test")
        claim = journal.claim("worker")
        journal.finish(claim, status, summary="it broke")
        clock.sleep(60)
        monitors.tick(declared)
        if status == "failed":
            (alert,) = monitors.alerts("demand", open_only=True)
            assert alert.severity == "critical"
            assert "it broke" in alert.text
    (alert,) = monitors.alerts("demand")
    assert alert.closed is not None


def test_a_rollout_that_its_guards_aborted_opens_an_alert_but_a_person_who_aborts_knows(
    monitors, promote, rollouts, registry, traffic, clock, declared
):
    promote("first")
    version = registry.get("demand", 1)
    second = registry.register(replace(version, id="second"))
    rollouts.request(second, Canary(), rollout_id="by-hand")
    rollouts.abort("demand", actor="me")
    monitors.tick(declared)
    assert monitors.alerts("demand") == []
    clock.sleep(60)
    rollouts.request(second, Canary(), rollout_id="by-guard")
    traffic(2, temp=(0, 0, 50, 0, 0, 0), errors=50)
    rollouts.tick()
    monitors.tick(declared)
    (alert,) = monitors.alerts("demand", open_only=True)
    assert (alert.rule, alert.evidence) == ("rollout", "by-guard")


def test_a_notifier_that_refuses_is_asked_again_and_another_is_not_kept_waiting(
    monitors, promote, traffic, clock, declared
):
    class Refusing(MemoryNotifier):
        refuses = True

        def send(self, notice):
            if self.refuses:
                raise LoopwrightError("no answer")
            super().send(notice)

    promote("first")
    traffic(temp=WARM)
    clock.sleep(AN_HOUR)
    monitors.tick(declared)
    refusing, other = Refusing(), MemoryNotifier()
    destinations = {"oncall": refusing, "team": other}
    with pytest.raises(LoopwrightError, match="oncall: no answer"):
        monitors.alerting.tell(destinations)
    refusing.refuses = False
    assert monitors.alerting.tell(destinations) == 0
    clock.sleep(6)
    assert monitors.alerting.tell(destinations) == 1
    assert (len(refusing.notices), len(other.notices)) == (1, 1)


def test_one_models_trouble_does_not_keep_the_others_from_their_turn(
    monitors, promote, traffic, clock, declared, storage
):
    promote("first")
    traffic(temp=WARM)
    clock.sleep(AN_HOUR)
    orphan = storage.get("endpoints/demand/00000001.json").replace(b'"demand"', b'"broken"')
    storage.put("endpoints/broken/00000001.json", orphan)  # it serves a version that the registry does not have
    broken = Declaration(name="broken", source="x.csv", target="cnt")
    with pytest.raises(LoopwrightError):
        monitors.tick({"broken": broken, **declared})
    assert monitors.findings("demand")


def test_requests_that_stop_coming_are_told_and_their_coming_back_too(monitors, promote, traffic, clock, declared):
    promote("first")
    for _ in range(25):
        traffic()
        clock.sleep(3540)
    monitors.tick(declared)
    clock.sleep(2 * 3600)
    finding = next(one for one in monitors.tick(declared) if one.kind == "volume")
    assert not finding.passed
    assert "no new requests for" in finding.decision.because()
    assert [one.rule for one in monitors.alerts("demand", open_only=True)] == ["volume"]
    traffic()
    clock.sleep(AN_HOUR)
    (again,) = [one for one in monitors.tick(declared) if one.kind == "volume"]
    assert again.passed
    assert monitors.alerts("demand", open_only=True) == []


def test_half_of_the_usual_requests_of_the_hour_of_the_week_are_told(monitors, promote, traffic, clock, declared):
    promote("first")
    for _ in range(4):
        traffic()
        clock.sleep(7 * 86_400 - 60)
        monitors.tick(declared)
    traffic(temp=(0, 60, 60, 60, 60, 0), weather=(120, 72, 48, 0), prediction=(0, 120, 120, 0))
    clock.sleep(AN_HOUR)
    finding = next(one for one in monitors.tick(declared) if one.kind == "volume")
    assert not finding.passed
    assert "240 requests came, 1,000 usually do at this time of the week" in finding.decision.because()


def test_requests_that_another_version_answered_have_come_too(monitors, promote, traffic, clock, declared):
    """A champion that took over in the middle of a window has had but a part of its requests."""
    promote("first")
    for _ in range(4):
        traffic()
        clock.sleep(7 * 86_400 - 60)
        monitors.tick(declared)
    traffic(temp=(0, 60, 60, 60, 60, 0), weather=(120, 72, 48, 0), prediction=(0, 120, 120, 0))
    traffic(2, temp=(0, 190, 190, 190, 190, 0), weather=(380, 228, 152, 0), prediction=(0, 380, 380, 0))
    clock.sleep(AN_HOUR)
    assert not [one for one in monitors.tick(declared) if one.kind == "volume"]


def test_an_hour_is_held_against_the_same_hour_of_the_days_before(monitors, promote, traffic, clock):
    drift = Drift(window="1h", season="day")
    declared = {"demand": Declaration(name="demand", source="x.csv", target="cnt", drift=drift)}
    promote("first")
    found = []
    for day in range(5):
        traffic(temp=WARM if day < 4 else (0, 900, 100, 0, 0, 0))
        clock.sleep(86_400 - 60)
        found += [one for one in monitors.tick(declared) if one.kind == "drift"]
    assert [one.passed for one in found] == [False, False, False, True, False]
    assert "the same time of 3 earlier days" in found[3].decision.because()
    traffic(temp=(0, 900, 100, 0, 0, 0))
    clock.sleep(AN_HOUR)
    (still,) = [one for one in monitors.tick(declared) if one.kind == "drift"]
    assert not still.passed  # what was unlike its season does not become the season
    assert "the same time of 4 earlier days" in [reason.text for reason in still.decision.reasons][-1]


def test_a_source_that_stopped_growing_is_told(monitors, promote, traffic, clock):
    declared = {"demand": Declaration(name="demand", source="x.csv", target="cnt", retrain=(NewData(),))}
    promote("first")
    for version in range(25):
        monitors.tick(declared, lambda _, version=version: f"digest {version}")
        clock.sleep(86_400)
    assert monitors.findings("demand", kind="freshness") == []
    clock.sleep(3 * 86_400)
    (finding,) = [one for one in monitors.tick(declared, lambda _: "digest 24") if one.kind == "freshness"]
    assert not finding.passed
    assert "no new rows of the source for 4 days; the longest of 24 gaps was 24 hours" in finding.decision.because()
    clock.sleep(86_400)
    (finding,) = [one for one in monitors.tick(declared, lambda _: "digest 25") if one.kind == "freshness"]
    assert finding.passed
    assert monitors.alerts("demand", open_only=True) == []
