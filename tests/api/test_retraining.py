"""Asking for a retrain over HTTP; the governor answers at the next beat."""

from __future__ import annotations

from loopwright.declare import Declaration, Governor
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
