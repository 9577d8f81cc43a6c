"""Asking for a retrain over HTTP; the governor answers at the next beat."""

from __future__ import annotations

from dataclasses import replace

from loopwright.declare import Declaration
from loopwright.policies.retraining import Governor, NewData
from loopwright.retraining.records import SourceState

DECLARATION = Declaration(name="demand", source="a.csv", target="sold", governor=Governor("1h"))


def look(_):
    return SourceState(digest="f" * 64, rows=100)


def test_a_request_stands_open_until_the_governor_has_looked(client, platform, declared):
    answer = client.post("/api/v1/retrain-requests", json={"model": "demand", "reason": "new prices", "actor": "ann"})
    assert answer.status_code == 202
    asked = answer.json()
    assert (asked["status"], asked["trigger"], asked["actor"]) == ("open", "manual", "ann")
    platform.retraining.tick({"demand": DECLARATION}, look)
    decided = client.get(f"/api/v1/retrain-requests/{asked['id']}").json()
    assert decided["status"] == "accepted"
    assert client.get(f"/api/v1/runs/{decided['run']}").json()["run"]["cause"] == "manual: new prices"


def test_a_request_is_refused_with_its_reasons(client, platform, declared, run):
    run("succeeded")
    asked = client.post("/api/v1/retrain-requests", json={"model": "demand"}).json()
    platform.retraining.tick({"demand": DECLARATION}, look)
    decided = client.get(f"/api/v1/retrain-requests/{asked['id']}").json()
    assert decided["status"] in ("open", "refused")
    assert not decided["decision"]["passed"]
    assert any(reason["finding"] == "fail" for reason in decided["decision"]["reasons"])


def test_requests_by_model_and_status(client, declared):
    client.post("/api/v1/retrain-requests", json={"model": "demand", "force": True})
    assert [one["force"] for one in client.get("/api/v1/retrain-requests?status=open&model=demand").json()] == [True]
    assert client.get("/api/v1/retrain-requests?status=refused").json() == []
    assert client.get("/api/v1/retrain-requests/request-none").status_code == 404
    assert client.post("/api/v1/retrain-requests", json={"model": "nobody"}).status_code == 404


def test_a_person_approves_a_request_that_waits_and_resets_the_breaker(client, platform, declared):
    asked = client.post("/api/v1/retrain-requests", json={"model": "demand"}).json()
    refused = client.post(f"/api/v1/retrain-requests/{asked['id']}/approve", json={"actor": "ann"})
    assert refused.status_code == 409
    assert "waits for nobody" in refused.text
    always = replace(DECLARATION, retrain=(NewData(),), governor=Governor("1h", approval="always"))
    platform.retraining.tick({"demand": always}, look)
    (waiting,) = client.get("/api/v1/retrain-requests?status=open").json()
    approved = client.post(f"/api/v1/retrain-requests/{waiting['id']}/approve", json={"actor": "ann"}).json()
    assert (approved["id"], approved["approved_by"]) == (waiting["id"], "ann")
    assert client.post("/api/v1/retrain-requests/request-none/approve", json={}).status_code == 404
    reset = client.post("/api/v1/models/demand/breaker/reset", json={"actor": "ann"})
    assert (reset.status_code, reset.json()["actor"]) == (200, "ann")
    assert client.post("/api/v1/models/nobody/breaker/reset", json={}).status_code == 404
