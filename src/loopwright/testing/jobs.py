"""Stand-ins for jobs: one whose document says how it shall behave, and a compute that runs jobs where it is called."""

from __future__ import annotations

import argparse
import io
import os
import signal
import time
from collections.abc import Callable
from contextlib import redirect_stdout

from loopwright.core.codec import from_json, to_json
from loopwright.errors import NotFoundError
from loopwright.ports.compute import JobDocument, JobResult, JobStatus, job_key
from loopwright.ports.storage import Storage


class InProcessCompute:
    """`ports.Compute` for tests: a job runs to its end while it is submitted, so there is never one to wait for.

    `work` does a document's job (`bootstrap.job.run_job` with its other arguments bound, or anything you like).
    An exception that leaves it, `SystemExit` too, is to this compute what a crash is to a process.
    """

    def __init__(self, storage: Storage, work: Callable[[JobDocument], JobResult]) -> None:
        self._storage, self._work = storage, work
        self._statuses: dict[str, JobStatus] = {}
        self._logs: dict[str, str] = {}

    def submit(self, job_id: str) -> str:
        document = from_json(self._storage.get(job_key(job_id, "document.json")), JobDocument)
        printed = io.StringIO()
        with redirect_stdout(printed):
            self._statuses[job_id] = self._run(document)
        self._logs[job_id] = printed.getvalue()
        return job_id

    def poll(self, handle: str) -> JobStatus:
        if handle not in self._statuses:
            raise NotFoundError(f"job {handle!r} was never started here")
        return self._statuses[handle]

    def cancel(self, handle: str) -> None:
        self.poll(handle)

    def log(self, handle: str) -> str:
        self.poll(handle)
        return self._logs[handle][-64 * 1024 :]

    def _run(self, document: JobDocument) -> JobStatus:
        try:
            result = self._work(document)
        except (Exception, SystemExit) as error:  # noqa: BLE001  whatever it is, it is this job's end and not ours
            return JobStatus(state="failed", reason=f"it ended by {type(error).__name__}: {error}")
        self._storage.put(job_key(document.id, "result.json"), to_json(result))
        return JobStatus(state="succeeded")


def stand_in_command(open_storage: Callable[[str], Storage], arguments: list[str] | None = None) -> None:
    """What a process runs to be a stand-in job: takes the arguments that the real job command takes."""
    parser = argparse.ArgumentParser()
    for name in ("--storage", "--job", "--folder"):
        parser.add_argument(name, required=True)
    given = parser.parse_args(arguments)
    storage = open_storage(given.storage)
    document = from_json(storage.get(job_key(given.job, "document.json")), JobDocument)
    storage.put(job_key(document.id, "result.json"), to_json(stand_in(document, storage)))


def stand_in(document: JobDocument, storage: Storage) -> JobResult:
    """Does what the document's task says: `{"do": "echo", "text": …}`, `fail`, `exit`, `signal`, `allocate`, `wait`.

    `wait` notes its process below `jobs/<id>/attempts/`, then waits for an object `jobs/<id>/go`; with `stubborn` it
    ignores the request to end.
    """
    task = document.task
    match task["do"]:
        case "echo":
            print(task["text"], flush=True)  # noqa: T201  a job's log is what it prints
            return JobResult(id=document.id, result=task["text"])
        case "fail":
            return JobResult(id=document.id, error="TrainingError", message=task["text"])
        case "exit":
            os._exit(task["code"])
        case "signal":
            os.kill(os.getpid(), task["number"])
        case "allocate":
            return _allocate(document.id, task["megabytes"])
        case "wait":
            if task.get("stubborn"):
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            storage.create(job_key(document.id, f"attempts/{os.getpid()}"), b"")
            _wait_for(storage, job_key(document.id, "go"))
    return JobResult(id=document.id)


def _allocate(job_id: str, megabytes: int) -> JobResult:
    try:
        size = len(bytearray(megabytes * 1024 * 1024))
    except MemoryError:
        return JobResult(id=job_id, error="MemoryError", message=f"no {megabytes} MB were to be had")
    return JobResult(id=job_id, result=size)


def _wait_for(storage: Storage, key: str) -> None:
    while True:
        try:
            storage.get(key)
        except NotFoundError:
            time.sleep(0.01)
        else:
            return
