"""Jobs: whose run was cancelled, and whose run another worker goes on with."""

from __future__ import annotations

from typing import Any

import pytest

from loopwright.core.clock import VirtualClock
from loopwright.ports.compute import JobStatus
from loopwright.runs.jobs import Jobs
from loopwright.runs.records import Claim
from loopwright.runs.service import Journal, LeaseLostError
from loopwright.state.engine import State
from loopwright.testing.storage import MemoryStorage


class Endless:
    """A compute whose jobs run until they are cancelled."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []

    def submit(self, job_id: str) -> str:
        return job_id

    def poll(self, handle: str) -> JobStatus:
        return JobStatus(state="running")

    def cancel(self, handle: str) -> None:
        self.cancelled.append(handle)

    def log(self, handle: str) -> str:
        return ""


@pytest.fixture
def journal(state: State, clock: VirtualClock) -> Journal:
    return Journal(state, clock)


@pytest.fixture
def compute() -> Endless:
    return Endless()


def claim(journal: Journal, worker: str = "w1") -> Claim:
    journal.submit("demand", cause="test", actor="ann", run_id="run-1")
    claimed = journal.claim(worker)
    assert claimed is not None
    return claimed


def work(compute: Endless, journal: Journal, clock: VirtualClock, held: Claim, meanwhile: Any) -> None:
    def progress(text: str, done: float) -> None:
        meanwhile()
        journal.renew(held)

    jobs = Jobs(MemoryStorage(), compute, clock)
    jobs.run("job-1", "train", "demand", {}, dict, code=None, module=None, progress=progress)


def test_a_cancelled_runs_job_is_cancelled(journal: Journal, clock: VirtualClock, compute: Endless) -> None:
    with pytest.raises(LeaseLostError):
        work(compute, journal, clock, claim(journal), lambda: journal.cancel("run-1"))
    assert compute.cancelled == ["job-1"]


def test_who_lost_its_lease_leaves_the_job_to_who_goes_on_with_it(
    journal: Journal, clock: VirtualClock, compute: Endless
) -> None:
    def overslept() -> None:
        clock.sleep(60)
        assert journal.claim("w2") is not None

    with pytest.raises(LeaseLostError):
        work(compute, journal, clock, claim(journal), overslept)
    assert compute.cancelled == []


def test_a_retry_has_jobs_of_its_own_so_the_old_one_is_cancelled(
    journal: Journal, clock: VirtualClock, compute: Endless
) -> None:
    def cancelled_and_retried() -> None:
        journal.cancel("run-1")
        journal.retry("run-1")
        assert journal.claim("w2") is not None

    with pytest.raises(LeaseLostError):
        work(compute, journal, clock, claim(journal), cancelled_and_retried)
    assert compute.cancelled == ["job-1"]
