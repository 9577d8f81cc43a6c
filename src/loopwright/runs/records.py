"""The journal's records: a run, its stages, and the claim a worker holds on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

RunStatus = Literal["queued", "running", "succeeded", "refused", "failed", "cancelled"]
"""`refused`: the run did its work and a decision (contract or gate) said no; `failed`: something broke."""

StageStatus = Literal["running", "succeeded", "failed"]
ENDED: tuple[RunStatus, ...] = ("succeeded", "refused", "failed", "cancelled")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Why a stage failed: the error's class, its sentence, its remedy."""

    error: str
    message: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One turn of the loop for one model. `fence` rises with every claim: a worker that lost its lease cannot write."""

    id: str
    model: str
    status: RunStatus
    cause: str
    actor: str
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    attempt: int = 1
    fence: int = 0
    worker: str | None = None
    lease_until: datetime | None = None
    fault: Fault | None = None
    summary: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class StageRecord:
    """A stage of a run. `result` is the plain form of what it made; `progress` what it last said of itself."""

    run: str
    name: str
    place: int
    status: StageStatus
    started: datetime
    finished: datetime | None = None
    result: Any = None
    fault: Fault | None = None
    progress: str = ""
    done: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A worker's hold on a run: valid while the journal's fence is this one."""

    run: Run
    worker: str
    fence: int
