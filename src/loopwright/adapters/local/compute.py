"""`ports.Compute` on this machine: each job is a group of processes that outlives the platform's own.

A job holds a lock on `running.lock` in its folder for as long as any of its processes lives: the kernel lets go of it
when the last one ends, however it ends. So another process, also after a restart, sees at once whether a job runs;
no recycled process id and no zombie can pass for one. How it ended lies beside, in `exit`.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from loopwright.adapters.local.ending import describe_exit
from loopwright.adapters.obstore.storage import open_storage
from loopwright.core.clock import Clock, SystemClock
from loopwright.core.codec import from_json
from loopwright.errors import JobError, NotFoundError
from loopwright.ports.compute import JobDocument, JobStatus, job_key

_LOG_BYTES = 64 * 1024
_GRACE = 5.0  # seconds between asking a job to end and making it
_LAUNCH = """
read -r _ || exit 125
if [ -n "$1" ]; then ulimit -v "$1"; fi
exit_file=$2 scratch=$3
shift 3
"$@" --folder "$scratch" </dev/null
code=$?
echo "$code" >"$exit_file"
if [ "$code" = 0 ]; then rm -rf "$scratch"; fi
"""
# A shell stands over the job so that its end is written down even when the platform is gone by then. It waits for a
# line first: should the platform die before it has noted the group's id, the line never comes and nothing starts.


_ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",  # a log to the last line
    "PYTHONFAULTHANDLER": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # LightGBM's threads spin while they wait: on busy cores that costs tenfold
}
"""What a job's environment has unless ours says otherwise."""


class SubprocessCompute:
    """Runs jobs as subprocesses; `folder` keeps each one's log, scratch space and how it ended. Handles are job ids.

    `python` is the interpreter of the jobs (None: this one) and `command` what it runs, before `--storage URL
    --job ID --folder SCRATCH`. A document's `memory_mb` limits the address space of each process of its job.
    """

    def __init__(
        self,
        storage_url: str,
        folder: Path,
        python: str | None = None,
        *,
        command: Sequence[str] = ("-m", "loopwright.bootstrap.job"),
        clock: Clock | None = None,
    ) -> None:
        self._url = storage_url
        self._storage = open_storage(storage_url)
        self._folder = folder.absolute()
        self._command = [python or sys.executable, *command]
        self._clock = clock or SystemClock()
        self._children: list[subprocess.Popen[bytes]] = []

    def submit(self, job_id: str) -> str:
        document = from_json(self._storage.get(job_key(job_id, "document.json")), JobDocument)
        folder = self._folder / job_id
        with _failures(job_id), _alone(folder):
            lock = _take(folder)
            if lock is not None:
                try:
                    self._children.append(self._start(document, folder, lock))
                finally:
                    os.close(lock)
        return job_id

    def poll(self, handle: str) -> JobStatus:
        folder = self._known(handle)
        running = self._runs(folder)
        if self._has_result(handle):  # looked for last: it may have come between; its process may yet take time to end
            return JobStatus(state="succeeded")
        if running:
            return JobStatus(state="running")
        if (folder / "cancelled").exists():
            return JobStatus(state="cancelled", reason="it was cancelled")
        return JobStatus(state="failed", reason=describe_exit(_exit_code(folder), self._command[0]))

    def cancel(self, handle: str) -> None:
        folder = self._known(handle)
        if not self._runs(folder):
            return
        (folder / "cancelled").touch()
        for blow in (signal.SIGTERM, signal.SIGKILL):
            _signal(folder, blow)
            if self._ends_within(folder, _GRACE):
                return

    def log(self, handle: str) -> str:
        with (self._known(handle) / "log.txt").open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LOG_BYTES))
            return file.read().decode(errors="replace")

    def _start(self, document: JobDocument, folder: Path, lock: int) -> subprocess.Popen[bytes]:
        for left in ("exit", "cancelled"):
            (folder / left).unlink(missing_ok=True)
        limit = "" if document.memory_mb is None else str(document.memory_mb * 1024)
        places = [str(folder / "exit"), str(folder / "scratch")]
        command = [*self._command, "--storage", self._url, "--job", document.id]
        with (folder / "log.txt").open("wb") as log:
            child = subprocess.Popen(
                ["/bin/sh", "-c", _LAUNCH, "job", limit, *places, *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[lock],
                env=_ENVIRONMENT | os.environ,
            )
        (folder / "group").write_text(str(child.pid))
        with child.stdin, suppress(BrokenPipeError):  # type: ignore[union-attr]
            child.stdin.write(b"go\n")  # type: ignore[union-attr]
        return child

    def _known(self, handle: str) -> Path:
        folder = self._folder / handle
        if not (folder / "log.txt").exists():
            raise NotFoundError(f"job {handle!r} was never started here", remedy="check the id, and the working folder")
        return folder

    def _has_result(self, handle: str) -> bool:
        try:
            self._storage.get(job_key(handle, "result.json"))
        except NotFoundError:
            return False
        return True

    def _ends_within(self, folder: Path, seconds: float) -> bool:
        for _ in range(round(seconds / 0.02)):
            if not self._runs(folder):
                return True
            self._clock.sleep(0.02)
        return False

    def _runs(self, folder: Path) -> bool:
        # Asking our own children how they are takes the ended ones out of the process table.
        self._children = [child for child in self._children if child.poll() is None]
        with _alone(folder):
            lock = _take(folder)
            if lock is not None:
                os.close(lock)
        # A daemon that the job's code left behind may hold the lock from a group of its own: that is not the job.
        return lock is None and _signal(folder, 0)


@contextmanager
def _failures(job_id: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JobError(
            f"job {job_id} could not be started: {error}",
            remedy="check the working folder, its disk and the memory left",
        ) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While this lasts nobody else asks for the job's lock, in any process: so asking never looks like running."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "asking.lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _take(folder: Path) -> int | None:
    """The job's lock, as a descriptor for its processes to inherit; None where a job holds it."""
    lock = os.open(folder / "running.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _signal(folder: Path, number: int) -> bool:
    """Whether the job's group of processes was there to receive the signal (0 asks only)."""
    try:
        os.killpg(int((folder / "group").read_text()), number)
    except ProcessLookupError:
        return False
    return True


def _exit_code(folder: Path) -> int | None:
    try:
        return int((folder / "exit").read_text())
    except (FileNotFoundError, ValueError):  # the shell, too, was killed: before it wrote, or while it did
        return None
