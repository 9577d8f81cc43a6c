"""Jobs: work that runs in a process of its own, here or elsewhere, from a document in the object store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, get_args

from loopwright.core.clock import Clock
from loopwright.core.codec import from_json, from_plain, to_json, to_plain
from loopwright.errors import JobError, NotFoundError, error_named
from loopwright.ports.compute import Compute, JobDocument, JobKind, JobResult, JobStatus, job_key
from loopwright.ports.storage import Storage
from loopwright.runs.records import Run
from loopwright.runs.service import TakenOverError

T = TypeVar("T")
Progress = Callable[[str, float], None]


def name_job(run_id: str, kind: JobKind, attempt: int) -> str:
    """What a run's job is called: a run tried again starts jobs anew where they did not end well."""
    return f"{run_id}-{kind}-{attempt}"


class Jobs:
    """Starts jobs and waits for them. The same id again takes up the job that runs, or the result that is there."""

    def __init__(
        self,
        storage: Storage,
        compute: Compute,
        clock: Clock,
        *,
        memory_mb: int | None = None,
        poll_seconds: float = 0.1,
    ) -> None:
        self.storage, self.compute, self.clock = storage, compute, clock
        self.memory_mb, self.poll_seconds = memory_mb, poll_seconds

    def run(
        self,
        job_id: str,
        kind: JobKind,
        model: str,
        task: Any,
        result: type[T],
        *,
        code: str | None,
        module: str | None,
        progress: Progress,
    ) -> T:
        """The job's result, when it has one.

        Raises the error that ended the job, as its own class, or `JobError` where its process died. Whatever
        `progress` raises (a cancelled run, an orderly stop) cancels the job and goes on up; only where another worker
        has taken the run over, and waits for this very job, it is left alone.
        """
        done = self._result(job_id)
        if done is None:
            handle = self.start(job_id, kind, model, task, code=code, module=module)
            done = self._wait(job_id, handle, progress)
        return _given(done, result)

    def start(self, job_id: str, kind: JobKind, model: str, task: Any, *, code: str | None, module: str | None) -> str:
        """Start the job and do not wait for it; returns its handle. One that runs under this id is left to run."""
        document = JobDocument(
            id=job_id,
            kind=kind,
            model=model,
            task=to_plain(task),
            code=code,
            module=module,
            memory_mb=self.memory_mb,
        )
        self.storage.put(job_key(job_id, "document.json"), to_json(document))
        return self.compute.submit(job_id)

    def look(self, job_id: str, handle: str, result: type[T]) -> T | None:
        """The result of a job that was started; None while it runs. Raises what `run` raises."""
        done = self._result(job_id)
        if done is None:
            status = self.compute.poll(handle)
            if status.state == "running":
                return None
            done = self._left(job_id, status)
        return _given(done, result)

    def log(self, job_id: str) -> str:
        """What the job has printed."""
        return self.compute.log(job_id)

    def logs(self, run: Run) -> dict[str, str]:
        """What the run's jobs have printed, by job id, in the order in which a run starts them."""
        printed = {}
        for attempt in range(1, run.attempt + 1):
            for kind in get_args(JobKind):
                with suppress(NotFoundError):
                    name = name_job(run.id, kind, attempt)
                    printed[name] = self.log(name)
        return printed

    def _wait(self, job_id: str, handle: str, progress: Progress) -> JobResult:
        try:
            while (status := self.compute.poll(handle)).state == "running":
                progress(*self._progress(job_id))
                self.clock.sleep(self.poll_seconds)
        except TakenOverError:
            raise
        except BaseException:
            self.compute.cancel(handle)
            raise
        return self._left(job_id, status)

    def _left(self, job_id: str, status: JobStatus) -> JobResult:
        """What a job that has ended left behind. Raises `JobError` where it left nothing."""
        if (done := self._result(job_id)) is not None:
            return done
        reason = status.reason or f"it {status.state} without leaving a result"
        raise JobError(f"job {job_id} died: {reason}", remedy=f"read its log: `loopwright runs logs {job_id}`")

    def _result(self, job_id: str) -> JobResult | None:
        try:
            return from_json(self.storage.get(job_key(job_id, "result.json")), JobResult)
        except NotFoundError:
            return None

    def _progress(self, job_id: str) -> tuple[str, float]:
        try:
            text, done = from_json(self.storage.get(job_key(job_id, "progress.json")), tuple[str, float])
        except NotFoundError:
            return "starting", 0.0
        return str(text), float(done)


def _given(done: JobResult, result: type[T]) -> T:
    if done.error is not None:
        raise error_named(done.error)(done.message, remedy=done.remedy)
    return from_plain(done.result, result)  # type: ignore[no-any-return]
