"""Runs over HTTP: ask, follow, cancel, retry, read."""

from __future__ import annotations


def test_a_run_is_asked_for_and_waits_for_the_worker(client, platform, declared):
    order = {"model": "demand", "reason": "the price list changed", "actor": "ann"}
    answer = client.post("/api/v1/runs", json=order)
    assert answer.status_code == 202
    queued = platform.journal.get(answer.json()["id"])
    assert (queued.status, queued.cause, queued.actor) == ("queued", "by hand: the price list changed", "ann")


def test_who_asks_is_whoever_runs_the_platform_unless_said(client, platform, declared, monkeypatch):
    monkeypatch.setenv("LOOPWRIGHT_ACTOR", "operator")
    run = client.post("/api/v1/runs", json={"model": "demand"}).json()
    assert (run["actor"], run["cause"]) == ("operator", "by hand")


def test_a_run_of_a_model_that_nobody_knows_is_not_queued(client, declared):
    answer = client.post("/api/v1/runs", json={"model": "demnad"})
    assert answer.status_code == 404
    assert answer.json()["remedy"] == "there are: demand"
    assert client.get("/api/v1/runs").json()["total"] == 0


def test_runs_come_newest_first_in_pages_and_by_status(client, run):
    ids = [run("succeeded"), run("failed"), run("refused")]
    page = client.get("/api/v1/runs?limit=2").json()
    assert ([one["id"] for one in page["items"]], page["total"], page["limit"]) == (ids[:0:-1], 3, 2)
    assert [one["id"] for one in client.get("/api/v1/runs?limit=2&offset=2").json()["items"]] == [ids[0]]
    broken = client.get("/api/v1/runs?status=failed&status=refused").json()
    assert (broken["total"], {one["id"] for one in broken["items"]}) == (2, set(ids[1:]))


def test_a_run_shows_its_stages(client, run):
    details = client.get(f"/api/v1/runs/{run('succeeded', bad_rows=3)}").json()
    assert details["run"]["summary"] == "so it ended"
    assert [(one["name"], one["status"]) for one in details["stages"]] == [
        ("dataset_version", "succeeded"),
        ("validation_report", "succeeded"),
    ]
    assert details["stages"][1]["result"]["bad_rows"] == 3


def test_a_run_is_cancelled_once(client, declared):
    run = client.post("/api/v1/runs", json={"model": "demand"}).json()["id"]
    assert client.post(f"/api/v1/runs/{run}/cancel").json()["status"] == "cancelled"
    again = client.post(f"/api/v1/runs/{run}/cancel")
    assert again.status_code == 409
    assert again.json()["type"] == "urn:loopwright:ConflictError"


def test_a_failed_run_is_tried_again_a_good_one_is_not(client, run):
    assert client.post(f"/api/v1/runs/{run('failed')}/retry").json()["attempt"] == 2
    assert client.post(f"/api/v1/runs/{run('succeeded')}/retry").status_code == 409


def test_logs_are_those_of_the_runs_jobs_that_started_here(client, platform, run):
    finished = run("failed")
    assert client.get(f"/api/v1/runs/{finished}/logs").json() == {}
    for job in (f"{finished}-train-1", f"{finished}-evaluate-1", "another-train-1"):
        folder = platform.home / "jobs" / job
        folder.mkdir(parents=True)
        (folder / "log.txt").write_text(f"{job} speaks")
    logs = client.get(f"/api/v1/runs/{finished}/logs").json()
    assert logs == {name: f"{name} speaks" for name in (f"{finished}-train-1", f"{finished}-evaluate-1")}
