"""The rollout's records: the rollout itself, and the evidence and decision of a step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from loopwright.core.decision import Reason
from loopwright.policies.rollout import ABMetric
from loopwright.traffic.summary import WindowSummary

RolloutStatus = Literal["awaiting_approval", "running", "promoted", "aborted"]
Action = Literal["advance", "hold", "abort"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RolloutPlan:
    """A policy as the rollout keeps it: weights in percent, lengths of time in seconds, columns not to be captured.

    `metric` is what an A/B test compares by, `otherwise` who has it at the horizon (its `patience_seconds`). `asks`
    says that a person is asked at the end.
    """

    strategy: str
    steps: tuple[int, ...]
    interval_seconds: float
    patience_seconds: float
    min_requests: int
    max_latency_ratio: float
    redact: tuple[str, ...] = ()
    capture_share: float = 1.0
    sticky_by: str | None = None
    alpha: float = 0.01
    max_shift: float | None = None
    shadow: bool = False
    asks: bool = False
    metric: ABMetric | None = None
    otherwise: Literal["champion", "challenger"] = "champion"


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
    """What was seen of a variant: requests, the failed ones among them, p99 latency in milliseconds (None: unknown).

    `latency` are its counts on `LATENCY_EDGES_MS`. `slots` are how many slots of keys asked it, and the sum over
    them of the share that failed; there where requests have keys.
    """

    requests: int = 0
    errors: int = 0
    p99_ms: float | None = None
    latency: tuple[int, ...] = ()
    slots: tuple[int, float] = (0, 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """What two variants did side by side, long enough that both had requests."""

    challenger: WindowSummary
    champion: WindowSummary


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What each slot of keys had seen by the `number`th look (from 0) that was taken in the step: [SLOTS] each of
    requests, failed and slow ones. The challenger's slots are the last ones, from `first` on.
    """

    number: int
    first: int
    requests: tuple[int, ...]
    failed: tuple[int, ...]
    slow: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Quality:
    """The loss of one variant's predictions, less where better: over `units` (keys, or requests that have none) whose
    outcomes are known, the mean and the variance of a unit's mean loss. `coverage` is the share of known outcomes.
    """

    units: int
    mean: float
    variance: float
    coverage: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class StepEvidence:
    """All that a step is judged by: `challenger` in this step, `champion` since the rollout began, `asked` of any
    variant in this step, by lot and not by name. `blocks` are all of the rollout's, `looks` those taken in this step,
    where requests have keys. `split` is how many requests the challenger and all were dealt, in windows that are all
    in. `before` is the champion in the hour before the rollout, where nobody answers beside the challenger.
    """

    challenger: VariantEvidence
    champion: VariantEvidence = VariantEvidence()
    before: VariantEvidence = VariantEvidence()
    asked: int = 0
    blocks: tuple[Block, ...] = ()
    keyed: bool = False
    looks: tuple[Look, ...] = ()
    split: tuple[int, int] = (0, 0)
    quality: tuple[Quality, Quality] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StepDecision:
    """What to do with the step now, and why."""

    action: Action
    reasons: tuple[Reason, ...]
