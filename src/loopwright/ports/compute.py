"""Where jobs run: any place that can start one command with a document's key and reach the object store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

JobState = Literal["running", "succeeded", "failed", "cancelled"]


JobKind = Literal["train", "import", "evaluate", "replay", "refit", "batch", "backtest"]


@dataclass(frozen=True, kw_only=True, slots=True)
class JobDocument:
    """Everything a job needs to know. `task` is the plain form of the room's own record for that kind of job.

    `code` is the object-store key of the project's code archive and `module` the file in it that declares `model`.
    """

    id: str
    kind: JobKind
    model: str
    task: dict[str, Any]
    code: str | None = None
    module: str | None = None
    memory_mb: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class JobResult:
    """What a job leaves at `jobs/<id>/result.json`: its record in plain form, or the error that ended it.

    `cores` are those it could use for its `seconds`.
    """

    id: str
    result: Any = None
    error: str | None = None
    message: str = ""
    remedy: str = ""
    traceback: str = ""
    seconds: float = 0.0
    cores: int = 1
    peak_memory_mb: float = 0.0


def job_key(job_id: str, name: str) -> str:
    """Where a job's `document.json`, `result.json` and `progress.json` lie."""
    return f"jobs/{job_id}/{name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class JobStatus:
    """How a job stands. `reason` says in a sentence why it failed, as far as the compute knows (a signal, a code)."""

    state: JobState
    reason: str = ""


class Compute(Protocol):
    """Submit, poll, cancel; none of them waits for the job."""

    def submit(self, job_id: str) -> str:
        """Start the job whose document lies at `jobs/<job_id>/document.json`; returns a handle.

        Submitting the id of a job that still runs gives the handle of the running one.
        """

    def poll(self, handle: str) -> JobStatus:
        """How the job stands now; also for a handle from before this process started."""

    def cancel(self, handle: str) -> None:
        """Stop the job; nothing happens where it has ended."""

    def log(self, handle: str) -> str:
        """What the job has printed so far (the last 64 KiB)."""
