"""Endpoints over HTTP: desired beside observed, the ledger, rollback."""

from __future__ import annotations

from datetime import timedelta

from loopwright.core.codec import to_json
from loopwright.traffic.status import ServerStatus, status_key


def test_what_should_be_live_stands_beside_what_servers_say(client, platform, release):
    release("first")
    release("second")
    now = platform.clock.now()
    for status in (
        ServerStatus(server="a", at=now, revisions={"demand": 2, "other": 1}),
        ServerStatus(server="b", at=now - timedelta(minutes=1), revisions={"demand": 1}, faults={"demand": "no disk"}),
        ServerStatus(server="c", at=now, revisions={}, faults={"demand": "corrupt"}),
        ServerStatus(server="d", at=now, revisions={"other": 1}),
    ):
        platform.storage.put(status_key(status.server), to_json(status))
    (endpoint,) = client.get("/api/v1/endpoints").json()
    assert endpoint["desired"]["number"] == 2
    seen = {
        one["server"]: (one["revision"], one["in_step"], one["silent"], one["fault"]) for one in endpoint["observed"]
    }
    assert seen == {
        "a": (2, True, False, None),
        "b": (1, False, True, "no disk"),
        "c": (None, False, False, "corrupt"),
    }
    assert client.get("/api/v1/endpoints/demand").json() == endpoint


def test_an_endpoint_that_nobody_knows(client, release):
    release("first")
    for path in ("", "/ledger", "/verification"):
        answer = client.get(f"/api/v1/endpoints/nobody{path}")
        assert answer.status_code == 404
        assert answer.json()["remedy"] == "there are: demand"
    assert client.post("/api/v1/endpoints/nobody/rollback").status_code == 404


def test_the_ledger_says_who_and_why_newest_first(client, release):
    release("first")
    release("second")
    page = client.get("/api/v1/endpoints/demand/ledger?limit=1").json()
    assert page["total"] == 2
    assert page["items"][0]["reason"] == "version 2 takes 10 %"


def test_a_ledger_that_was_changed_is_found_out(client, platform, release):
    release("first")
    release("second")
    sound = client.get("/api/v1/endpoints/demand/verification").json()
    assert sound == {"endpoint": "demand", "revisions": 2, "sound": True, "faults": []}
    key = "endpoints/demand/00000001.json"
    platform.storage.put(key, platform.storage.get(key).replace(b'"loop"', b'"nobody"'))
    changed = client.get("/api/v1/endpoints/demand/verification").json()
    assert not changed["sound"]
    assert "revision 2 does not name the one before it" in changed["faults"][0]


def test_a_revision_that_cannot_be_read_is_a_problem_and_verification_still_answers(client, platform, release):
    release("first")
    platform.storage.put("endpoints/demand/00000001.json", b"{")
    answer = client.get("/api/v1/endpoints/demand")
    assert answer.status_code == 503
    assert "00000001.json is no endpoint revision" in answer.json()["detail"]
    assert not client.get("/api/v1/endpoints/demand/verification").json()["sound"]


def test_rolling_back_makes_the_last_champion_champion_again(client, release):
    release("first")
    assert client.post("/api/v1/endpoints/demand/rollback").status_code == 404
    release("second")
    client.post("/api/v1/rollouts/rollout-second/promote")
    revision = client.post("/api/v1/endpoints/demand/rollback", json={"actor": "ann", "reason": "it was worse"}).json()
    assert [(one["version"], one["weight"]) for one in revision["variants"]] == [(1, 100)]
    assert (revision["actor"], revision["reason"]) == ("ann", "it was worse")
