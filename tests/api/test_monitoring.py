"""Findings, alerts and events over HTTP."""

from __future__ import annotations

from datetime import timedelta

from loopwright.core.codec import to_plain
from loopwright.core.decision import Decision, Reason
from loopwright.declare import Declaration
from loopwright.monitoring.records import Finding
from loopwright.monitoring.store import FINDINGS
from loopwright.state.engine import insert_once

DECLARATIONS = {"demand": Declaration(name="demand", source="a.csv", target="sold")}


def test_a_failed_run_is_an_alert_until_one_succeeds(client, platform, run):
    failed = run("failed")
    platform.monitors.tick(DECLARATIONS)
    (alert,) = client.get("/api/v1/alerts?open=true&model=demand").json()
    assert (alert["rule"], alert["severity"], alert["evidence"]) == ("run", "critical", failed)
    run("succeeded")
    platform.monitors.tick(DECLARATIONS)
    assert client.get("/api/v1/alerts?open=true").json() == []
    assert client.get("/api/v1/alerts").json()[0]["recovery"]


def test_findings_by_kind(client, platform):
    now = platform.clock.now()
    for kind in ("drift", "quality"):
        said = Reason(rule="psi", finding="fail", text="price has drifted", figures={"psi": 0.4})
        finding = Finding(
            id=f"finding-{kind}",
            model="demand",
            endpoint="demand",
            version=1,
            kind=kind,
            window_start=now - timedelta(hours=1),
            window_end=now,
            rows=500,
            judged=True,
            decision=Decision(passed=False, reasons=(said,)),
            columns=(),
            at=now,
        )
        moments = {name: getattr(finding, name) for name in ("window_start", "window_end", "at")}
        with platform.state.write() as connection:
            insert_once(connection, FINDINGS, to_plain(finding) | moments | {"passed": finding.passed})
    assert {one["kind"] for one in client.get("/api/v1/findings").json()} == {"drift", "quality"}
    (drift,) = client.get("/api/v1/findings?kind=drift&model=demand").json()
    assert drift["decision"]["reasons"][0]["figures"] == {"psi": 0.4}


def test_events_come_newest_first(client, release, run):
    release("first")
    run("succeeded")
    kinds = [one["kind"] for one in client.get("/api/v1/events").json()]
    assert {"version.registered", "rollout.promoted", "run.queued", "run.succeeded"} <= set(kinds)
    assert len(client.get("/api/v1/events?limit=2").json()) == 2
    assert client.get("/api/v1/events?model=nobody").json() == []
