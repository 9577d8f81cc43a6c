"""The exam of `ports.Compute`. Its jobs are stand-ins that do as their document says: see `loopwright.testing.jobs`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest

from loopwright.core.clock import SystemClock
from loopwright.core.codec import from_json, to_json
from loopwright.errors import NotFoundError
from loopwright.ports.compute import Compute, JobDocument, JobResult, JobStatus, job_key
from loopwright.ports.storage import Storage

_PATIENCE = 60.0  # seconds in which a job of no work at all must have ended, on a machine however busy


class ComputeExam:
    """Fixtures `storage`, empty, and `compute`, which runs `testing.jobs.stand_in` for the documents stored there."""

    def test_a_job_leaves_its_result_and_has_succeeded(self, compute: Compute, storage: Storage) -> None:
        handle = submit(compute, storage, do="echo", text="hello")
        assert ended(compute, handle).state == "succeeded"
        assert result(storage).result == "hello"

    def test_an_error_of_the_work_is_the_result_of_a_job_that_ended_well(
        self, compute: Compute, storage: Storage
    ) -> None:
        handle = submit(compute, storage, do="fail", text="no rows")
        assert ended(compute, handle).state == "succeeded"
        assert (result(storage).error, result(storage).message) == ("TrainingError", "no rows")

    def test_the_log_has_what_the_job_printed(self, compute: Compute, storage: Storage) -> None:
        handle = submit(compute, storage, do="echo", text="tree 10 of 20 – fine")
        ended(compute, handle)
        assert "tree 10 of 20 – fine" in compute.log(handle)

    def test_the_log_is_the_last_64_kib(self, compute: Compute, storage: Storage) -> None:
        handle = submit(compute, storage, do="echo", text="x" * 100_000 + "the end")
        ended(compute, handle)
        assert compute.log(handle).rstrip().endswith("the end")
        assert len(compute.log(handle)) <= 64 * 1024

    def test_a_job_without_a_document_is_not_found(self, compute: Compute) -> None:
        with pytest.raises(NotFoundError, match="job-1"):
            compute.submit("job-1")

    def test_a_handle_never_given_is_not_found(self, compute: Compute) -> None:
        for ask in (compute.poll, compute.cancel, compute.log):
            with pytest.raises(NotFoundError, match="job-unheard-of"):
                ask("job-unheard-of")

    def test_cancelling_an_ended_job_changes_nothing(self, compute: Compute, storage: Storage) -> None:
        handle = submit(compute, storage, do="echo", text="hello")
        ended(compute, handle)
        compute.cancel(handle)
        assert compute.poll(handle).state == "succeeded"


class ProcessComputeExam(ComputeExam):
    """For computes whose jobs run on their own, in processes. Fixture `reopen`, too: another compute on the same jobs,
    as the platform makes it when it starts again.
    """

    def test_submitting_and_polling_do_not_wait(self, compute: Compute, storage: Storage) -> None:
        handle = submit(compute, storage, do="wait")
        assert compute.poll(handle).state == "running"
        storage.put(job_key("job-1", "go"), b"")
        assert ended(compute, handle).state == "succeeded"

    def test_submitting_a_running_job_again_gives_its_handle(
        self, compute: Compute, reopen: Callable[[], Compute], storage: Storage
    ) -> None:
        handle = submit(compute, storage, do="wait")
        assert compute.submit("job-1") == handle
        assert reopen().submit("job-1") == handle
        storage.put(job_key("job-1", "go"), b"")
        ended(compute, handle)
        assert len(list(storage.list("jobs/job-1/attempts"))) == 1

    def test_a_job_goes_on_without_the_compute_that_started_it(
        self, compute: Compute, reopen: Callable[[], Compute], storage: Storage
    ) -> None:
        handle = submit(compute, storage, do="wait")
        assert reopen().poll(handle).state == "running"
        storage.put(job_key("job-1", "go"), b"")
        assert ended(reopen(), handle).state == "succeeded"

    @pytest.mark.parametrize("stubborn", [False, True])
    def test_a_cancelled_job_ends(self, compute: Compute, storage: Storage, stubborn: bool) -> None:
        handle = submit(compute, storage, do="wait", stubborn=stubborn)
        until(lambda: list(storage.list("jobs/job-1/attempts")))
        compute.cancel(handle)
        assert ended(compute, handle).state == "cancelled"
        compute.cancel(handle)
        assert compute.poll(handle).state == "cancelled"

    def test_a_restarted_platform_cancels_too(
        self, compute: Compute, reopen: Callable[[], Compute], storage: Storage
    ) -> None:
        handle = submit(compute, storage, do="wait")
        reopen().cancel(handle)
        assert ended(compute, handle).state == "cancelled"

    def test_a_job_whose_code_exits_has_failed_and_says_so(self, compute: Compute, storage: Storage) -> None:
        handle = submit(compute, storage, do="exit", code=3)
        status = ended(compute, handle)
        assert status.state == "failed"
        assert "exit code 3" in status.reason

    @pytest.mark.parametrize(("number", "words"), [(signal.SIGKILL, "out-of-memory"), (signal.SIGSEGV, "native code")])
    def test_a_job_that_is_killed_has_failed_and_says_how(
        self, compute: Compute, storage: Storage, number: int, words: str
    ) -> None:
        handle = submit(compute, storage, do="signal", number=int(number))
        status = ended(compute, handle)
        assert status.state == "failed"
        assert words in status.reason
        assert signal.Signals(number).name in status.reason

    def test_a_failed_job_may_be_submitted_again(self, compute: Compute, storage: Storage) -> None:
        ended(compute, submit(compute, storage, do="exit", code=3))
        handle = submit(compute, storage, do="echo", text="better")
        assert ended(compute, handle).state == "succeeded"
        assert result(storage).result == "better"

    @pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not limit the address space of a process")
    def test_a_memory_limit_holds(self, compute: Compute, storage: Storage) -> None:
        ended(compute, submit(compute, storage, memory_mb=2000, do="allocate", megabytes=4000))
        assert result(storage).error == "MemoryError"


def submit(compute: Compute, storage: Storage, *, memory_mb: int | None = None, **task: Any) -> str:
    """Store the document of the job `job-1` and start it."""
    document = JobDocument(id="job-1", kind="train", model="m", task=task, memory_mb=memory_mb)
    storage.put(job_key("job-1", "document.json"), to_json(document))
    return compute.submit("job-1")


def result(storage: Storage) -> JobResult:
    return from_json(storage.get(job_key("job-1", "result.json")), JobResult)


def ended(compute: Compute, handle: str) -> JobStatus:
    """The job's status, once it no longer runs."""
    until(lambda: compute.poll(handle).state != "running")
    return compute.poll(handle)


def until(condition: Callable[[], Any]) -> None:
    clock = SystemClock()
    for _ in range(round(_PATIENCE / 0.02)):
        if condition():
            return
        clock.sleep(0.02)
    raise AssertionError(f"nothing came of it in {_PATIENCE:g} seconds")
