"""Findings, alerts and events over HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import timedelta

import httpx

from loopwright.api import monitoring
from loopwright.bootstrap.traffic_drift import traffic_drift
from loopwright.bundle.records import Reference, ReferenceColumn
from loopwright.core.codec import to_json, to_plain
from loopwright.core.decision import Decision, Reason
from loopwright.declare import Declaration
from loopwright.errors import RequestError
from loopwright.monitoring.records import Finding
from loopwright.monitoring.store import FINDINGS
from loopwright.monitoring.windows import keep_window, window_of
from loopwright.state.engine import insert_once
from loopwright.traffic.summary import ColumnCounts, WindowSummary

HERE = "http://127.0.0.1"

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


def watch(platform, count, *, moved):
    """A champion whose test rows had x evenly in four bins, and a window of traffic; with `moved`, all in the last."""
    reference = Reference(
        rows=1000,
        columns=(
            ReferenceColumn(
                name="input.x",
                kind="number",
                counts=(0, 250, 250, 250, 250, 0),
                edges=(0.0, 1.0, 2.0, 3.0, 4.0),
                importance=1.0,
            ),
        ),
    )
    platform.storage.put("bundles/first/reference.json", to_json(reference))
    bins = (0, 0, 0, 0, count, 0) if moved else (0, *(count // 4,) * 4, 0)
    now, length = platform.clock.now(), timedelta(days=1)
    window = WindowSummary(
        endpoint="demand",
        revision=1,
        variant="champion",
        version=1,
        start=now,
        seconds=60,
        rows=count,
        columns={"input.x": ColumnCounts(bins=bins)},
    )
    keep_window(platform.storage, window, window_of(now, length), length)
    platform.clock.sleep(60)


def test_drift_of_traffic_is_what_the_command_line_says(client, platform, release, declared):
    assert client.get("/api/v1/models/nobody/drift").json()["detail"] == "no model is called 'nobody'"
    assert client.get("/api/v1/models/demand/drift").json()["detail"] == "demand has no champion yet"
    release("first")
    watch(platform, 400, moved=True)
    found = client.get("/api/v1/models/demand/drift")
    assert (found.status_code, found.json()["exact"], found.json()["rows"]) == (200, False, 400)
    assert [(one["column"], one["drifted"]) for one in found.json()["columns"]] == [("input.x", True)]
    assert found.json()["decision"]["passed"] is False
    assert found.json() == json.loads(to_json(traffic_drift(platform, "demand", since="1d")))
    nothing = client.get("/api/v1/models/demand/drift?exact=true")
    assert (nothing.status_code, "was captured since" in nothing.json()["detail"]) == (404, True)
    for since in ("soon", "0d"):
        assert client.get("/api/v1/models/demand/drift", params={"since": since}).status_code == 422


def test_long_reports_take_turns_and_keep_no_other_answer_waiting(client, declared, monkeypatch):
    free, together, most = threading.Event(), [], []

    def long(*_, **__):
        together.append(1)
        most.append(len(together))
        free.wait(30)
        together.pop()
        raise RequestError("enough")

    monkeypatch.setattr(monitoring, "traffic_drift", long)

    async def ask():
        transport = httpx.ASGITransport(client.app)
        async with httpx.AsyncClient(transport=transport, base_url=HERE) as asking:
            drifts = [asyncio.create_task(asking.get("/api/v1/models/demand/drift?exact=true")) for _ in range(50)]
            async with asyncio.timeout(20):
                while not most:
                    await asyncio.sleep(0.001)
                other = await asking.get("/api/v1/models")
            free.set()
            return other, await asyncio.gather(*drifts)

    other, drifts = asyncio.run(ask())
    assert other.status_code == 200
    assert {one.status_code for one in drifts} == {422}
    assert max(most) == 1
