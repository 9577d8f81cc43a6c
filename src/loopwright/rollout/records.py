"""The rollout's records: the rollout itself, and the evidence and decision of a step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from loopwright.core.decision import Reason

RolloutStatus = Literal["awaiting_approval", "running", "promoted", "aborted"]
Action = Literal["advance", "hold", "abort"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RolloutPlan:
    """A policy as the rollout keeps it: weights in percent, lengths of time in seconds, columns not to be captured."""

    strategy: str
    steps: tuple[int, ...]
    interval_seconds: float
    patience_seconds: float
    min_requests: int
    max_latency_ratio: float
    redact: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Rollout:
    """A version on its way to an endpoint. `step` is the place in the plan, -1 before the first.

    `champion` is the version it is to replace. `revision` is the endpoint revision the rollout wrote last: if a newer
    one is there, somebody stepped in, and the rollout ends.
    """

    id: str
    model: str
    endpoint: str
    version: int
    champion: int | None
    plan: RolloutPlan
    status: RolloutStatus
    step: int
    step_started: datetime
    revision: int
    requested: datetime
    started: datetime | None = None
    finished: datetime | None = None
    reasons: tuple[Reason, ...] = ()
    actor: str = "loop"

    @property
    def gist(self) -> str:
        """What has become of the version so far, in a few words."""
        words = {"awaiting_approval": "waits for a person", "running": "is on its way", "promoted": "is champion"}
        return f"version {self.version} {words.get(self.status, 'was stopped')}"


@dataclass(frozen=True, kw_only=True, slots=True)
class VariantEvidence:
    """What was seen of a variant: requests, the failed ones among them, p99 latency in milliseconds (None: unknown)."""

    requests: int = 0
    errors: int = 0
    p99_ms: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StepDecision:
    """What to do with the step now, and why."""

    action: Action
    reasons: tuple[Reason, ...]
