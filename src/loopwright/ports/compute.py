"""Where jobs run: any place that can start one command with a document's key and reach the object store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

JobState = Literal["running", "succeeded", "failed", "cancelled"]


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
