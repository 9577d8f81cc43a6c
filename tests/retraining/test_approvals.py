"""Whatever waits for a person is one incident, told once, and over when that person has decided."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loopwright.declare import Declaration
from loopwright.errors import SourceError
from loopwright.monitoring.alerting import Alerting
from loopwright.monitoring.notices import evidence_command, evidence_path
from loopwright.policies.alerts import AlertRule, Alerts
from loopwright.policies.retraining import Drift, Governor
from loopwright.policies.rollout import Canary
from loopwright.retraining.records import SourceState

POLICY = Declaration(
    name="demand",
    source="rows.csv",
    target="sold",
    retrain=(Drift(),),
    governor=Governor(cooldown="1s", approval="always", backtest="never"),
)


def peek(_):
    return SourceState(digest="new", rows=150)


def tick(place, policy=POLICY):
    place.clock.sleep(2)
    place.retraining.tick({"demand": policy}, peek)
    return Alerting(place.state, place.clock).alerts("demand")


def test_a_request_that_waits_is_told_until_it_is_approved(place, found):
    place.promote("first")
    assert tick(place) == []
    found()
    (alert,) = tick(place)
    (request,) = place.retraining.requests()
    assert (alert.rule, alert.severity, alert.evidence, alert.closed) == ("approval", "warning", request.id, None)
    assert f"loopwright retrain --approve {request.id}" in alert.text
    assert evidence_command(alert) == "loopwright monitor requests demand"
    assert evidence_path(alert) == f"/api/v1/retrain-requests/{request.id}"
    assert tick(place) == [alert]
    place.retraining.approve(request.id, actor="ann")
    (over,) = tick(place)
    assert over.recovery == "nothing waits for a person any more"
    assert tick(place) == [over]


def test_a_newer_request_in_the_place_of_one_that_waits_is_the_same_incident(place, found):
    place.promote("first")
    found()
    (alert,) = tick(place)
    found()
    assert tick(place) == [alert]


def test_a_rollout_that_waits_is_told_until_it_is_approved(place):
    version = place.promote("first")
    second = place.registry.register(replace(version, id="second", number=0, run="run-second", needs_approval=True))
    rollout = place.rollouts.request(second, Canary(), rollout_id="rollout-second")
    (alert,) = tick(place)
    assert (alert.rule, alert.evidence) == ("approval", rollout.id)
    assert evidence_command(alert) == "loopwright rollout show demand"
    assert evidence_path(alert) == f"/api/v1/rollouts/{rollout.id}"
    place.rollouts.approve(rollout.id, actor="ann")
    (over,) = tick(place)
    assert over.closed is not None


def test_a_rollout_that_waits_is_told_though_the_source_is_away(place, found):
    version = place.promote("first")
    second = place.registry.register(replace(version, id="second", number=0, run="run-second", needs_approval=True))
    place.rollouts.request(second, Canary(), rollout_id="rollout-second")
    found()

    def away(_):
        raise SourceError("rows.csv is gone")

    with pytest.raises(SourceError):
        place.retraining.tick({"demand": POLICY}, away)
    assert [alert.rule for alert in Alerting(place.state, place.clock).alerts("demand")] == ["approval"]


def test_who_turns_the_rule_off_is_not_told(place, found):
    place.promote("first")
    found()
    assert tick(place, replace(POLICY, alerts=Alerts(approval=AlertRule("off")))) == []
