"""Monitoring's records: findings, the columns they are made of, and alerts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from loopwright.core.decision import Decision
from loopwright.declare import TaskName

FindingKind = Literal["drift", "quality", "errors", "latency"]
AlertRule = Literal["drift", "quality", "errors", "latency", "run", "rollout"]
Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnDrift:
    """One column of a window against the reference. `column` is `input.<column>` or `output.<name>`.

    `psi` and the test (`statistic`, `p_value` corrected for the number of columns) are None where there was nothing to
    compare. `matters` says whether the model leans on the column: only those that matter can fail a finding.
    `missing_share` and `unseen_share` are of the window's `rows`, `was_missing` and `was_unseen` of the reference's
    `was_rows`. Unseen is what the reference never showed: other categories, values of another kind.
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
    version takes over. `notified` is when somebody was first told; `recovery` says what closed it.
    """

    id: str
    model: str
    rule: AlertRule
    severity: Severity
    title: str
    text: str
    evidence: str
    opened: datetime
    version: int | None = None
    closed: datetime | None = None
    recovery: str = ""
    notified: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Performance:
    """How well a version predicted in [`start`, `end`): the task's metrics on the `outcomes` known so far.

    `coverage` is their share of the captured `predictions`. Metrics that have no meaning on these rows are left out.
    """

    version: int
    start: datetime
    end: datetime
    predictions: int
    outcomes: int
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def coverage(self) -> float:
        return self.outcomes / self.predictions if self.predictions else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PerformanceReport:
    """A model's performance from `since` to `until`: each version over all of it, and by windows, oldest first."""

    model: str
    task: TaskName | None
    since: datetime
    until: datetime
    versions: tuple[Performance, ...] = ()
    windows: tuple[Performance, ...] = ()
