"""The journal on SQLite and PostgreSQL: claims, leases, fences, stages."""

from __future__ import annotations

import threading

import pytest

from loopwright.core.clock import VirtualClock
from loopwright.errors import ConflictError, NotFoundError
from loopwright.runs.records import Fault
from loopwright.runs.service import Journal, LeaseLostError
from loopwright.state.engine import State
from loopwright.state.outbox import recent


@pytest.fixture
def journal(state: State, clock: VirtualClock) -> Journal:
    return Journal(state, clock)


def submit(journal: Journal, model: str = "demand", run_id: str | None = None) -> str:
    return journal.submit(model, cause="by hand", actor="ann", run_id=run_id).id


def test_a_submitted_run_waits_to_be_claimed(journal: Journal) -> None:
    run_id = submit(journal)
    assert journal.get(run_id).status == "queued"
    claim = journal.claim("w1")
    assert claim is not None
    assert claim.run.id == run_id
    assert journal.get(run_id).status == "running"
    assert journal.claim("w2") is None


def test_submitting_the_same_id_again_gives_the_run_that_is_there(journal: Journal) -> None:
    assert submit(journal, run_id="run-1") == submit(journal, run_id="run-1") == "run-1"
    assert journal.count() == 1


def test_two_runs_of_one_model_are_never_worked_at_once(journal: Journal) -> None:
    submit(journal, "demand", "run-1")
    submit(journal, "demand", "run-2")
    submit(journal, "churn", "run-3")
    first, second, third = journal.claim("w1"), journal.claim("w2"), journal.claim("w3")
    assert first is not None
    assert second is not None
    assert (first.run.id, second.run.id, third) == ("run-1", "run-3", None)
    journal.finish(first, "succeeded")
    third = journal.claim("w3")
    assert third is not None
    assert third.run.id == "run-2"


def test_a_dead_workers_run_is_claimed_again_and_the_dead_one_can_write_nothing(
    journal: Journal, clock: VirtualClock
) -> None:
    run_id = submit(journal)
    dead = journal.claim("dead")
    assert dead is not None
    journal.begin_stage(dead, "profile", 0)
    clock.sleep(31)
    alive = journal.claim("alive")
    assert alive is not None
    assert alive.run.id == run_id
    for write in (
        lambda: journal.renew(dead),
        lambda: journal.finish_stage(dead, "profile", {}),
        lambda: journal.report(dead, "profile", "half", 0.5),
        lambda: journal.finish(dead, "succeeded"),
    ):
        with pytest.raises(LeaseLostError):
            write()
    assert journal.get(run_id).worker == "alive"


def test_a_renewed_lease_is_not_reaped(journal: Journal, clock: VirtualClock) -> None:
    submit(journal)
    claim = journal.claim("w1")
    assert claim is not None
    for _ in range(4):
        clock.sleep(20)
        journal.renew(claim)
    assert journal.claim("w2") is None


def test_an_abandoned_run_need_not_wait_for_its_lease(journal: Journal) -> None:
    submit(journal)
    journal.claim("host/1")
    assert journal.abandon("host/1") == 1
    assert journal.claim("host/2") is not None


def test_a_finished_stage_is_given_back_and_not_done_again(journal: Journal) -> None:
    submit(journal)
    claim = journal.claim("w1")
    assert claim is not None
    assert journal.begin_stage(claim, "profile", 0) is None
    journal.finish_stage(claim, "profile", {"rows": 3})
    again = journal.begin_stage(claim, "profile", 0)
    assert again is not None
    assert again.result == {"rows": 3}


def test_retry_keeps_finished_stages_and_forgets_the_failed_one(journal: Journal) -> None:
    run_id = submit(journal)
    claim = journal.claim("w1")
    assert claim is not None
    journal.begin_stage(claim, "profile", 0)
    journal.finish_stage(claim, "profile", {"rows": 3})
    journal.begin_stage(claim, "candidate", 1)
    fault = Fault(error="TrainingError", message="no memory", remedy="buy some")
    journal.fail_stage(claim, "candidate", fault)
    assert journal.finish(claim, "failed", fault=fault).fault == fault
    retried = journal.retry(run_id)
    assert (retried.status, retried.attempt, retried.fault) == ("queued", 2, None)
    assert [stage.name for stage in journal.stages(run_id)] == ["profile"]


def test_only_broken_runs_can_be_retried(journal: Journal) -> None:
    run_id = submit(journal)
    claim = journal.claim("w1")
    assert claim is not None
    journal.finish(claim, "succeeded")
    with pytest.raises(ConflictError, match="nothing to retry"):
        journal.retry(run_id)


def test_cancelling_takes_the_run_from_its_worker(journal: Journal) -> None:
    run_id = submit(journal)
    claim = journal.claim("w1")
    assert claim is not None
    journal.cancel(run_id)
    with pytest.raises(LeaseLostError):
        journal.report(claim, "profile", "half", 0.5)
    with pytest.raises(ConflictError, match="already been cancelled"):
        journal.cancel(run_id)


def test_a_released_run_goes_back_to_the_queue(journal: Journal) -> None:
    submit(journal)
    claim = journal.claim("w1")
    assert claim is not None
    journal.release(claim)
    assert journal.claim("w2") is not None


def test_an_unknown_run_says_so(journal: Journal) -> None:
    with pytest.raises(NotFoundError, match="run-9"):
        journal.get("run-9")


def test_every_change_is_told_once(journal: Journal, state: State) -> None:
    run_id = submit(journal)
    claim = journal.claim("w1")
    assert claim is not None
    journal.begin_stage(claim, "profile", 0)
    journal.finish_stage(claim, "profile", {})
    journal.finish_stage(claim, "profile", {})
    journal.finish(claim, "succeeded", summary="done")
    kinds = sorted(event.kind for event in recent(state) if event.subject == run_id)
    assert kinds == ["run.claimed", "run.queued", "run.succeeded", "stage.finished"]


def test_of_many_workers_at_once_each_run_goes_to_one(journal: Journal) -> None:
    for number in range(6):
        submit(journal, f"model-{number}")
    claims: list[str] = []
    lock = threading.Lock()

    def work(name: str) -> None:
        while (claim := journal.claim(name)) is not None:
            with lock:
                claims.append(claim.run.id)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claims) == len(set(claims)) == 6


def test_a_run_that_takes_every_worker_down_is_given_up(journal: Journal, clock: VirtualClock) -> None:
    run_id = submit(journal)
    for number in range(6):
        assert journal.claim(f"w{number}") is not None
        clock.sleep(31)
    assert journal.claim("one more") is None
    run = journal.get(run_id)
    assert run.status == "failed"
    assert "6 workers died" in run.summary
    journal.retry(run_id)
    assert journal.claim("after the retry") is not None
