"""Retraining's records: a source as it stands, a request to train again, and what the governor knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from loopwright.core.decision import Decision
from loopwright.data.records import DatasetVersion
from loopwright.policies.retraining import Governor
from loopwright.policies.tasks import METRICS
from loopwright.training.records import Candidate

RetrainTrigger = Literal["new_data", "schedule", "drift", "decay", "manual"]
RequestStatus = Literal["open", "accepted", "refused"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceState:
    """A source as it stands: the digest of the dataset version it would make, its rows, its newest labelled time."""

    digest: str
    rows: int
    newest: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelFacts:
    """What the labels say of themselves that have come since the champion learned.

    `recent` and `earlier` count the labelled rows looked at on each side of what it has learned. `only` is the one
    label that all recent rows have, with the share it had before; `vanished` are classes that no recent row has, with
    theirs. `twins` are recent rows that share all inputs with another row, `contradicted` those of them whose label
    differs from it; `earlier_twins` and `earlier_contradicted` are the same among the earlier. `known` rows are those
    that the champion learned from and that are still there, `corrected` those of them with another label now.
    """

    recent: int
    earlier: int
    only: tuple[str, float] | None = None
    vanished: tuple[tuple[str, float], ...] = ()
    twins: int = 0
    contradicted: int = 0
    earlier_twins: int = 0
    earlier_contradicted: int = 0
    known: int = 0
    corrected: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelJump:
    """How the champion's predictions and the labels part on `rows` that it has not seen, beside `earlier` ones it has.

    `unexplained` is by how much labels moved further than predictions: for numbers in standard deviations of the
    earlier labels, for classes the greatest change of a share. `error` is the root of the mean square error (of
    probabilities, for classes), `agreement` the correlation of predictions and labels, None where either is constant.
    """

    rows: int
    earlier: int
    classes: bool
    unexplained: float
    error: float
    earlier_error: float
    agreement: float | None
    earlier_agreement: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class BacktestTask:
    """A backtest job's task: the champion's settings fitted again on rows up to a cut, against the champion after it.

    `candidate` is what the champion's own run found, `folder` the champion's bundle and `trained_until` the newest row
    it has seen, as in `evaluation.records.Champion`. `most` bounds the rows learned from, and those tested on.
    """

    version: int
    folder: str
    trained_until: str | None
    trained_rows: int
    candidate: Candidate
    dataset: DatasetVersion
    most: int


@dataclass(frozen=True, kw_only=True, slots=True)
class BacktestReport:
    """The refit minus the champion `version` in `metric` on the newest labelled rows, signed so that more is better.

    `low` and `high` each bound the difference on one side at `confidence`; `baseline` is the champion's figure on the
    `tested` rows, `before` its figure on those between what it has seen and the cut. The refit learned from `learned`
    rows, `seen` are those that the champion learned from. `trouble` says why there is no comparison.
    """

    version: int
    metric: str = ""
    learned: int = 0
    seen: int = 0
    tested: int = 0
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    baseline: float | None = None
    before: float | None = None
    jump: LabelJump | None = None
    trouble: str = ""

    @property
    def more_is_better(self) -> bool:
        return METRICS[self.metric][1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Backtest:
    """A request's backtest against the champion `version`: the job under `handle` since `began`, then its report."""

    version: int
    job: str
    began: datetime
    handle: str = ""
    report: BacktestReport | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrainRequest:
    """Somebody or something asks that `model` learn again.

    The id follows from model, trigger and `cause`, so that one cause asks once. `version` is the champion at that time.
    `decision` is the governor's latest word: an open request waits for what it says; `run` is the accepted one's,
    `started` when that run was queued. `approved_by` is the person who let it go on.
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
    backtest: Backtest | None = None
    approved: datetime | None = None
    approved_by: str | None = None

    @property
    def waits_for_approval(self) -> bool:
        """Whether a person must say something before it goes on."""
        reasons = self.decision.reasons if self.decision and self.status == "open" else ()
        return any(reason.rule == "approval" and reason.finding == "warn" for reason in reasons)

    def why(self) -> str:
        """What refused it, what it waits for, or the run it became, in words."""
        if self.run is not None:
            return self.run
        if self.decision is None:
            return "not decided yet"
        waits = [reason.text for reason in self.decision.reasons if reason.finding == "warn"]
        return "; ".join(waits) if self.status == "open" and waits else self.decision.because()


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakerReset:
    """A person has closed a model's breaker: runs that failed or were refused up to then are forgiven."""

    model: str
    reset: datetime
    actor: str


@dataclass(frozen=True, kw_only=True, slots=True)
class GovernorState:
    """What the governor looks at. `busy` is a run queued or under way; `last_finished` when the last one ended.

    `recent_runs` were ordered within seven days of now. `learned` maps the digests of dataset versions that the
    champion or the last finished run learned from to who did. `champion_until` is the newest time the champion saw.
    `failures` are the runs in a row, up to `last_failed`, that failed or were refused; `labels` and `backtest` are None
    until somebody has looked; `can_backtest` says whether one can be had here.
    """

    now: datetime
    policy: Governor
    busy: str | None = None
    rollout: str | None = None
    last_finished: datetime | None = None
    recent_runs: int = 0
    champion: int | None = None
    champion_until: str | None = None
    learned: dict[str, str] = field(default_factory=dict)
    source: SourceState | None = None
    failures: int = 0
    last_failed: datetime | None = None
    labels: LabelFacts | None = None
    backtest: BacktestReport | None = None
    can_backtest: bool = False
    newest_run: str | None = None
