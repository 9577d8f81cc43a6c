"""What a shadow's predictions come to beside the answers that were given, as records; nothing heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from loopwright.evaluation.differences import Bounded, Differences


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """What servers counted of one version while the shadow was there: requests, the failed ones among them by kind, and
    latency (of answers it gave, or of a shadow's own predictions). None: nothing was counted.
    """

    version: int
    requests: int
    errors: dict[str, int]
    error_share: Bounded
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PairedMetric:
    """One metric of both versions on the same rows. `difference` is the shadow's minus the other's, signed so that more
    is better, with its interval at 95 % (a bootstrap of whole units).
    """

    name: str
    answered: float
    shadow: float
    difference: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ShadowComparison:
    """What version `version` would have answered, as a shadow, in place of `against`, which answered.

    `rows` have both. Of the shadow's others, `unpaired` have no captured answer of `against`, and `repeated` carry ids
    that were given more than once. Differences are the shadow's answer minus the one given; `metrics` are on the
    `outcomes` rows of which it is known what came true.
    """

    model: str
    version: int
    against: int | None
    since: datetime
    until: datetime
    rows: int
    unpaired: int
    repeated: int
    shadow: Side
    answered: Side | None
    differences: Differences | None
    outcomes: int = 0
    metrics: tuple[PairedMetric, ...] = ()
    notes: tuple[str, ...] = field(default=())
