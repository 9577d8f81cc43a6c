"""What a candidate must show before it goes on: the gate's policy, and the replay's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from loopwright.errors import DeclarationError
from loopwright.policies.checks import check_fields, check_share, one_of
from loopwright.policies.tasks import METRICS


@dataclass(frozen=True, slots=True)
class Fairness:
    """How far a rate may differ between the groups that `column` names: by `max_gap`, or down to `min_ratio` of it.

    `rate` is of a group's rows: called positive (`selection_rate`), of its positives (`tpr`) or negatives (`fpr`)
    called positive, or called wrongly (`error`).
    """

    column: str
    rate: Literal["selection_rate", "tpr", "fpr", "error"] = "selection_rate"
    max_gap: float | None = field(default=None, kw_only=True)
    min_ratio: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_fields(self)
        if self.max_gap is None and self.min_ratio is None:
            raise DeclarationError(
                f"Fairness of {self.column} has no limit", remedy="write max_gap=0.1, or min_ratio=0.8"
            )
        for what, limit in (("max_gap", self.max_gap), ("min_ratio", self.min_ratio)):
            if limit is not None:
                check_share(f"Fairness {what}", limit)


@dataclass(frozen=True, slots=True)
class Gate:
    """What a candidate must show. `metric` defaults to the task's own (ROC-AUC, log loss, RMSE).

    `at_least` / `at_most` bind the first version and warn afterwards. A later candidate must not be worse than the
    champion by more than `margin` (a share of the champion's figure), or with `rule="superior"` be better than it,
    shown at `confidence` (one-sided) on `min_rows` at least; in the metrics `also` it must not be worse either. With
    `slices` it is refused where it is surely worse than that on one of the model's slices. `max_training_cost` is in
    the currency of the setting `core_hour_price`.
    """

    metric: str | None = None
    rule: Literal["not_inferior", "superior"] = field(default="not_inferior", kw_only=True)
    also: tuple[str, ...] = field(default=(), kw_only=True)
    slices: bool = field(default=True, kw_only=True)
    fairness: tuple[Fairness, ...] = field(default=(), kw_only=True)
    min_rows: int = field(default=30, kw_only=True)
    at_least: float | None = field(default=None, kw_only=True)
    at_most: float | None = field(default=None, kw_only=True)
    margin: float = field(default=0.05, kw_only=True)
    confidence: float = field(default=0.95, kw_only=True)
    max_latency_ms: float | None = field(default=None, kw_only=True)
    max_size_mb: float | None = field(default=None, kw_only=True)
    max_training_cost: float | None = field(default=None, kw_only=True)
    approval: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        check_fields(self)
        for metric in (self.metric, *self.also):
            if metric is not None and metric not in METRICS:
                raise DeclarationError(
                    f"Gate names the metric {metric!r}, which does not exist", remedy=one_of(METRICS)
                )
        if self.metric is None and (self.at_least is not None or self.at_most is not None):
            raise DeclarationError("Gate has a threshold but names no metric", remedy='write Gate("rmse", at_most=70)')
        if self.metric is not None:
            _, more_is_better = METRICS[self.metric]
            wrong = self.at_most if more_is_better else self.at_least
            if wrong is not None:
                better, written, meant = ("more", "most", "least") if more_is_better else ("less", "least", "most")
                raise DeclarationError(
                    f"Gate asks {self.metric} to be at_{written} {wrong}, but {better} is better",
                    remedy=f"write at_{meant}={wrong}",
                )
        check_share("Gate margin", self.margin)
        if self.min_rows < 1:
            raise DeclarationError(f"Gate min_rows is {self.min_rows}", remedy="write 1 or more")
        for what in ("max_latency_ms", "max_size_mb", "max_training_cost"):
            bound = getattr(self, what)
            if bound is not None and not bound > 0:
                raise DeclarationError(f"Gate {what} is {bound}", remedy="write a bound above 0, or leave it out")
        if not 0.5 <= self.confidence < 1:
            raise DeclarationError(f"Gate confidence is {self.confidence}", remedy="write a share from 0.5 to below 1")


@dataclass(frozen=True, slots=True)
class Replay:
    """What a candidate must show on the last `rows` captured rows that the champion answered; 0 turns replay off.

    It is refused where surely more than `max_errors` of them get no answer any more, where its latency is surely more
    than `max_latency_ratio` times the champion's, or where surely more than `max_changed` of the answers differ by more
    than `tolerance`; without the last two it is only told. `tolerance` is in probability, and for numbers in standard
    deviations of the champion's answers. `sent` names columns that callers send though no version has asked for them
    yet.
    """

    rows: int = 1000
    max_errors: float = field(default=0.0, kw_only=True)
    tolerance: float = field(default=0.1, kw_only=True)
    max_changed: float | None = field(default=None, kw_only=True)
    max_latency_ratio: float | None = field(default=None, kw_only=True)
    sent: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        check_fields(self)
        check_share("Replay max_errors", self.max_errors)
        if self.max_changed is not None:
            check_share("Replay max_changed", self.max_changed)
        for name, value in (("rows", self.rows), ("tolerance", self.tolerance)):
            if not value >= 0:
                raise DeclarationError(f"Replay {name} is {value}", remedy="write 0 or more")
        if self.max_latency_ratio is not None and not self.max_latency_ratio > 0:
            raise DeclarationError(
                f"Replay max_latency_ratio is {self.max_latency_ratio}", remedy="write a ratio above 0, such as 2.0"
            )
