"""The evaluation room's records: the task, estimates, comparisons, the report and the gate's decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from loopwright.core.decision import Decision
from loopwright.data.records import DatasetVersion
from loopwright.policies.tasks import TaskName
from loopwright.training.records import Candidate, SplitPlan

Who = Literal["candidate", "champion", "anchor", "dummy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Champion:
    """The version to be held against: its bundle's folder, and the newest row it was trained on (`trained_until`).

    `evaluated_folder` and `evaluated_trained_until` are the same for the candidate that it was before its refit. Both
    moments are ISO 8601 values of the time column, or numbers of rows where rows are ordered without one. `split` is
    the plan by which its own rows were parted; where that is not known, it is taken to be the candidate's. `anchor` is
    the version that the champion was let pass beside without being better, if it was: see `anchor.anchor_after`.
    """

    version: int
    folder: str
    evaluated_folder: str | None = None
    trained_until: str | None = None
    evaluated_trained_until: str | None = None
    split: SplitPlan | None = None
    anchor: Champion | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedRows:
    """The `rows` on which a candidate was held against a champion. In order they lie from `since` to `until`, moments
    as numbers. `way` says by what rows are parted: by the same hash, earlier rows are among later ones.
    """

    way: str
    rows: int
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateTask:
    """An evaluation job's task: hold `candidate` against `champion` and a dummy on the test rows of `dataset`.

    The reference and the pictures go below the object-store folder `folder`. `judged` are the rows on which earlier
    candidates of this model were held against a champion.
    """

    candidate: Candidate
    dataset: DatasetVersion
    champion: Champion | None
    folder: str
    run_id: str
    judged: tuple[JudgedRows, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A metric on the test rows with its bootstrap interval at 95 %; the bounds are None where none can be had."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Candidate minus champion (or dummy) in one metric on the same rows, signed so that more is better.

    `low` and `high` each bound the difference on one side at `confidence`; None where too few rows allow no bound.
    `rows` are those that neither was trained on, `baseline` the other's figure on them. `sibling` says that the
    champion stands for itself as it was evaluated, before its refit. `allowed` is the gate's margin in the metric's
    unit; the p-values and `error` are those of `statistics.paired.Paired`. `lacking` says what there is too little of
    for bounds, where more rows alone would not help.
    """

    against: Who
    metric: str
    difference: float
    low: float | None
    high: float | None
    confidence: float
    rows: int
    baseline: float
    sibling: bool = False
    allowed: float = 0.0
    error: float | None = None
    p_better: float | None = None
    p_not_worse: float | None = None
    p_worse: float | None = None
    lacking: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupRate:
    """The candidate's `rate` (see `Fairness`) of the test rows where `column` is `group`.

    `rows` are those that count for it, `effective` how many independent rows would know it as well.
    """

    column: str
    rate: str
    group: str
    rows: int
    value: float
    effective: float

    def words(self) -> str:
        return f"{self.value:.3g} of {self.rows:,} rows of {self.group!r}"


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceReport:
    """Metrics of the candidate on the test rows where `column` is `value`.

    `champion` has them too where it can be held against all test rows. `comparison` is with the champion, in the metric
    that decides, on those of the rows that neither was trained on.
    """

    column: str
    value: str
    rows: int
    candidate: dict[str, float]
    champion: dict[str, float] = field(default_factory=dict)
    comparison: Comparison | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationReport:
    """How the candidate did on rows that nothing was trained on.

    `metrics[who][name]` is an `Estimate`: candidate and dummy on all `rows`, the champion on those of its comparison.
    `dummy` says in words what the dummy does. `comparisons` are in `metric`, against the dummy, the champion and its
    anchor, where there are such; `incomparable` says why a champion is not compared. `pictures` maps a name to
    the object-store key of a PNG, `reference` is the key of the evaluation rows' `Reference`. `latency_ms` is the
    median for one row, `size_mb` the bundle's size. `scores` is the key of the test rows' scores and truths (Parquet),
    `loss_model` that of a regression's `LossModel`: what estimates without labels begin with; "" where there is none,
    or the target is redacted.

    `also` are comparisons with the champion in the gate's further metrics, `groups` the rates that it limits. `judged`
    are the rows of the champion's comparison, `uses` how often those have judged, this time included: each earlier time
    counts by the share of the rows that it had. `training_seconds` are those of the candidate.
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
    dummy: str = ""
    dummy_persists: bool = False
    incomparable: str = ""
    pictures: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    scores: str = ""
    loss_model: str = ""
    also: tuple[Comparison, ...] = ()
    groups: tuple[GroupRate, ...] = ()
    judged: JudgedRows | None = None
    uses: float = 1.0
    training_seconds: float = 0.0
    training_cores: int = 1

    def against(self, who: Who) -> Comparison | None:
        """The comparison with `who`, if there is one."""
        return next((one for one in self.comparisons if one.against == who), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class GateDecision:
    """Whether the candidate may go on, and why; bound to it for good.

    With `needs_approval` it may go on only once a person has said so.
    """

    candidate: str
    champion: int | None
    decision: Decision
    needs_approval: bool = False

    @property
    def passed(self) -> bool:
        return self.decision.passed
