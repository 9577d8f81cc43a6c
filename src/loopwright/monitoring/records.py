"""Monitoring's records: findings, the columns they are made of, and alerts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from loopwright.core.decision import Decision
from loopwright.evaluation.records import Estimate
from loopwright.outcomes.records import LabelLag
from loopwright.policies.tasks import TaskName

FindingKind = Literal["drift", "joint", "performance", "quality", "volume", "freshness", "errors", "latency", "capture"]
RuleName = Literal[FindingKind, "run", "rollout", "approval"]
Severity = Literal["info", "warning", "critical"]

ANY = "*"
"""Stands for any model where silences are spoken of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnDrift:
    """One column of a window against the reference. `column` is `input.<column>` or `output.<name>`.

    `psi` and the test (`statistic`, `p_value` corrected for the number of columns) are None where there was nothing to
    compare. `weight` is an input's share of all inputs' importance; `matters` says that the column would make a drifted
    window by itself. `missing_share`, `unseen_share` and `outside_share` are of the window's `rows`, `was_…` of the
    reference's `was_rows`. Unseen is what the reference never showed: other categories, values of another kind; outside
    are numbers beyond its least and greatest. `wasserstein` is in standard deviations of the reference. `usual` is the
    PSI that the reference's own windows reach, 0 where they differ by no more than chance or are not known.
    """

    column: str
    kind: Literal["number", "category"]
    rows: int
    was_rows: int
    psi: float | None
    test: Literal["ks", "chi2"]
    statistic: float | None
    p_value: float | None
    drifted: bool
    matters: bool
    importance: float
    missing_share: float
    was_missing: float
    unseen_share: float
    was_unseen: float
    outside_share: float = 0.0
    was_outside: float = 0.0
    weight: float = 0.0
    jensen_shannon: float | None = None
    wasserstein: float | None = None
    usual: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class JointDrift:
    """How well a classifier tells current rows from the reference's, on rows that it did not learn from.

    `auc` is the chance that it ranks a current row above one of the reference: 1/2 where nothing changed. `columns` are
    the shares of what it went by, the greatest first.
    """

    auc: float
    p_value: float
    rows: int
    was_rows: int
    columns: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftReport:
    """What is held against what, in words; the columns, worst first; and what the monitor's rules make of them."""

    reference: str
    current: str
    exact: bool
    rows: int
    was_rows: int
    columns: tuple[ColumnDrift, ...]
    joint: JointDrift | None
    decision: Decision


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What a window of a version's traffic showed: `decision` fails where something is wrong.

    The id follows from model, version, kind and window, so a window is found upon once. A window with too few rows is
    kept with `judged` false. Windows are [`window_start`, `window_end`).
    """

    id: str
    model: str
    endpoint: str
    version: int
    kind: FindingKind
    window_start: datetime
    window_end: datetime
    rows: int
    judged: bool
    decision: Decision
    columns: tuple[ColumnDrift, ...]
    at: datetime

    @property
    def passed(self) -> bool:
        return self.decision.passed


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """An incident: open from the first failure of `rule` for `model` until it recovers.

    `evidence` is the id of the finding, run or rollout that opened it. An alert about a `version` is over when another
    version takes over. `recovery` says what closed it. `notify` names the destinations that are told (none: all),
    `notified` is when they were first told that it opened, `recovery_told` that it is over; while nobody has
    acknowledged it they are told again every `remind_seconds`, at `reminded` the last time.
    """

    id: str
    model: str
    rule: RuleName
    severity: Severity
    title: str
    text: str
    evidence: str
    opened: datetime
    version: int | None = None
    closed: datetime | None = None
    recovery: str = ""
    notify: tuple[str, ...] = ()
    notified: datetime | None = None
    recovery_told: datetime | None = None
    remind_seconds: float | None = None
    reminded: datetime | None = None
    acknowledged: datetime | None = None
    acknowledged_by: str = ""
    acknowledged_because: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Silence:
    """Nobody is told of alerts of `model` (`ANY`: any) and `rule` (None: any) from `since` to `until`.

    What is still open then, or when the silence is lifted, is told.
    """

    id: str
    model: str
    rule: RuleName | None
    since: datetime
    until: datetime
    actor: str
    reason: str
    lifted: datetime | None = None
    lifted_by: str = ""

    def covers(self, model: str, rule: RuleName, at: datetime) -> bool:
        return self.model in (ANY, model) and self.rule in (None, rule) and self.holds(at)

    def holds(self, at: datetime) -> bool:
        """Whether it is in force."""
        return self.since <= at < min(self.until, self.lifted or self.until)


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """A notice's way to one destination. `trouble` says why it has not got there yet, after `attempts`."""

    notice: str
    destination: str
    attempts: int = 0
    tried: datetime | None = None
    sent: datetime | None = None
    trouble: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ToldNotice:
    """A notice as it was written: of which `alerts`, for which destinations (none: all), and how it got there."""

    id: str
    severity: Severity
    title: str
    text: str
    made: datetime
    alerts: tuple[str, ...]
    destinations: tuple[str, ...] = ()
    deliveries: tuple[Delivery, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Performance:
    """How well a version predicted in [`start`, `end`).

    `metrics` are the task's on the `outcomes` known so far, `coverage` their share of the captured `predictions`.
    `corrected` is what the deciding metric must be of all predictions, where labels came sooner for some scores than
    for others; `borrowed` is the share of predictions whose tenth of the score had too few labels for that.
    `estimated` needs no label at all: what the metrics should be if scores still mean what they meant on the test rows.
    Bounds hold at 95 %. What has no meaning on these rows is left out.
    """

    version: int
    start: datetime
    end: datetime
    predictions: int
    outcomes: int
    metrics: dict[str, float] = field(default_factory=dict)
    corrected: dict[str, Estimate] = field(default_factory=dict)
    borrowed: float = 0.0
    estimated: dict[str, Estimate] = field(default_factory=dict)

    @property
    def coverage(self) -> float:
        return self.outcomes / self.predictions if self.predictions else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PerformanceReport:
    """A model's performance from `since` to `until`: each version over all of it, and by windows, oldest first.

    `metric` decides; `reference` is what it was on each version's test rows. `notes` say what cannot be estimated.
    """

    model: str
    task: TaskName | None
    since: datetime
    until: datetime
    versions: tuple[Performance, ...] = ()
    windows: tuple[Performance, ...] = ()
    metric: str = ""
    reference: dict[int, Estimate] = field(default_factory=dict)
    lag: LabelLag | None = None
    notes: tuple[str, ...] = ()
