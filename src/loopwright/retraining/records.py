"""Retraining's records: a source as it stands, a request to train again, and what the governor knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from loopwright.core.decision import Decision
from loopwright.declare import Governor

RetrainTrigger = Literal["new_data", "schedule", "drift", "manual"]
RequestStatus = Literal["open", "accepted", "refused"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceState:
    """A source as it stands: the digest of the dataset version it would make, its rows, its newest labelled time."""

    digest: str
    rows: int
    newest: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrainRequest:
    """Somebody or something asks that `model` learn again.

    The id follows from model, trigger and `cause`, so that one cause asks once. `version` is the champion at that time.
    `decision` is the governor's latest word: an open request waits for what it says; `run` is the accepted one's,
    `started` when that run was queued.
    """

    id: str
    model: str
    trigger: RetrainTrigger
    cause: str
    reason: str
    requested: datetime
    actor: str
    version: int | None = None
    force: bool = False
    status: RequestStatus = "open"
    decided: datetime | None = None
    decision: Decision | None = None
    run: str | None = None
    started: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class GovernorState:
    """What the governor looks at. `busy` is a run queued or under way; `last_finished` when the last one ended.

    `recent_runs` were ordered within the last seven days. `learned` maps the digests of dataset versions that the
    champion or the last finished run learned from to who did. `champion_until` is the newest time the champion saw.
    """

    now: datetime
    policy: Governor
    busy: str | None = None
    rollout: str | None = None
    last_finished: datetime | None = None
    recent_runs: int = 0
    champion: int | None = None
    champion_until: str | None = None
    learned: dict[str, str] | None = None
    source: SourceState | None = None
