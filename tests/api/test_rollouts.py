"""Rollouts over HTTP: look, approve, promote, abort."""

from __future__ import annotations

import pytest


def test_rollouts_come_newest_first_and_by_status(client, release, clock):
    release("first")
    clock.sleep(1)
    release("second")
    assert [one["id"] for one in client.get("/api/v1/rollouts").json()] == ["rollout-second", "rollout-first"]
    running = client.get("/api/v1/rollouts?status=running&model=demand").json()
    assert [(one["version"], one["step"]) for one in running] == [(2, 0)]
    assert client.get("/api/v1/rollouts/rollout-first").json()["status"] == "promoted"
    assert client.get("/api/v1/rollouts/rollout-none").status_code == 404


def test_a_rollout_that_waits_for_a_person_begins_when_one_approves(client, release):
    release("first")
    release("second", needs_approval=True)
    approved = client.post("/api/v1/rollouts/rollout-second/approve", json={"actor": "ann"}).json()
    assert approved["status"] == "running"
    assert approved["reasons"][-1]["text"] == "approved by ann"
    assert client.post("/api/v1/rollouts/rollout-second/approve").status_code == 409


@pytest.mark.parametrize(("verb", "status", "champion"), [("promote", "promoted", 2), ("abort", "aborted", 1)])
def test_a_person_ends_a_rollout_and_is_named_in_the_ledger(client, release, verb, status, champion):
    release("first")
    release("second")
    ended = client.post(f"/api/v1/rollouts/rollout-second/{verb}", json={"actor": "ann", "reason": "it is time"})
    assert ended.json()["status"] == status
    (newest, *_) = client.get("/api/v1/endpoints/demand/ledger").json()["items"]
    assert [variant["version"] for variant in newest["variants"]] == [champion]
    assert newest["reason"] == "it is time"
    again = client.post(f"/api/v1/rollouts/rollout-second/{verb}")
    assert again.status_code == 409
    assert status in again.json()["detail"]


def test_a_rollout_that_was_overtaken_does_not_move_the_one_that_overtook_it(client, release):
    for name in ("first", "second", "third"):
        release(name)
    assert client.post("/api/v1/rollouts/rollout-second/promote").status_code == 409
    assert client.get("/api/v1/models/demand").json()["aliases"] == {"champion": 1, "challenger": 3}
