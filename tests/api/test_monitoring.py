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


def test_findings_by_kind(client, platform, declared):
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


def test_a_finding_is_where_an_alert_says_it_is(client, platform, run):
    failed = run("failed")
    platform.monitors.tick(DECLARATIONS)
    (alert,) = client.get("/api/v1/alerts").json()
    assert client.get(f"/api/v1/alerts/{alert['id']}").json() == alert
    assert client.get(f"/api/v1/runs/{failed}").status_code == 200
    assert client.get("/api/v1/findings/finding-none").status_code == 404
    assert client.get("/api/v1/alerts/alert-none").status_code == 404


def test_who_sees_to_an_alert_is_kept(client, platform, run):
    run("failed")
    platform.monitors.tick(DECLARATIONS)
    (alert,) = client.get("/api/v1/alerts").json()
    order = {"actor": "eve", "reason": "the disk was full"}
    seen = client.post(f"/api/v1/alerts/{alert['id']}/acknowledge", json=order).json()
    assert (seen["acknowledged_by"], seen["acknowledged_because"]) == ("eve", "the disk was full")
    assert client.post(f"/api/v1/alerts/{alert['id']}/acknowledge", json=order).status_code == 409


def test_a_silence_is_made_listed_and_lifted(client, run):
    run("failed")
    order = {"model": "demand", "rule": "drift", "seconds": 3600, "actor": "eve", "reason": "a sale"}
    made = client.post("/api/v1/silences", json=order)
    assert made.status_code == 201
    assert client.get("/api/v1/silences?model=demand").json() == [made.json()]
    lifted = client.post(f"/api/v1/silences/{made.json()['id']}/lift", json={"actor": "ada"}).json()
    assert lifted["lifted_by"] == "ada"
    assert client.get("/api/v1/silences").json() == []
    assert client.get("/api/v1/silences?all=true").json() == [lifted]
    assert client.post("/api/v1/silences", json=order | {"reason": ""}).status_code == 422
    assert client.post("/api/v1/silences", json=order | {"seconds": 0}).status_code == 422


def test_notices_say_how_they_got_to_each_destination(client, platform, run):
    run("failed")
    platform.monitors.tick(DECLARATIONS)
    platform.alerting.tell(platform.destinations)
    (notice,) = client.get("/api/v1/notices").json()
    assert notice["severity"] == "critical"
    assert [(one["destination"], bool(one["sent"])) for one in notice["deliveries"]] == [("log", True)]


def test_a_model_that_is_not_there_cannot_be_silenced(client, run):
    run("failed")
    order = {"seconds": 3600, "reason": "a sale"}
    assert client.post("/api/v1/silences", json=order | {"model": "nobody"}).status_code == 404
    assert client.post("/api/v1/silences", json=order | {"model": "*"}).status_code == 201
