"""The evaluation room's records: estimates, comparisons, the report and the gate's decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from loopwright.core.decision import Decision
from loopwright.declare import TaskName

Who = Literal["candidate", "champion", "dummy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A metric on the test rows with its bootstrap interval at 95 %; the bounds are None where none can be had."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Candidate minus champion (or dummy) in one metric on the same rows, signed so that more is better.

    `low` is the lower end of the one-sided interval at `confidence`; `rows` are the rows that neither was trained on.
    """

    against: Who
    metric: str
    difference: float
    low: float
    high: float
    confidence: float
    rows: int
    baseline: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceReport:
    """Metrics of the candidate (and the champion, where there is one) on the rows where `column` is `value`."""

    column: str
    value: str
    rows: int
    candidate: dict[str, float]
    champion: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationReport:
    """How the candidate did on rows that nothing was trained on.

    `metrics[who][name]` is an `Estimate`. `comparisons` are against the dummy, and the champion where there is one.
    `pictures` maps a name to the object-store key of a PNG. `latency_ms` is the median for one row, `size_mb` the
    bundle's size. `reference` is the object-store key of the evaluation rows' `Reference`.
    """

    candidate: str
    champion: int | None
    task: TaskName
    metric: str
    rows: int
    metrics: dict[str, dict[str, Estimate]]
    comparisons: tuple[Comparison, ...]
    slices: tuple[SliceReport, ...]
    latency_ms: float
    size_mb: float
    reference: str
    pictures: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class GateDecision:
    """Whether the candidate may go on, and why; bound to it for good."""

    candidate: str
    champion: int | None
    decision: Decision
    needs_approval: bool = False

    @property
    def passed(self) -> bool:
        return self.decision.passed
