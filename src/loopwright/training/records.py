"""The training room's records: the split, trials, and the candidate that training makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from loopwright.declare import TaskName


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitPlan:
    """Which rows are for what, as a rule that gives the same answer whenever it is asked.

    time: rows before `validation_from` train, rows from `test_from` on test (ISO 8601 values of `column`; rows of one
    moment never part), and rows whose label was not known yet when the next part began (`label_delay`) are left out.
    rows: the same by row number. hash: by a hash of `column` (or of the whole row), in shares.
    """

    kind: Literal["time", "rows", "hash"]
    column: str | None = None
    validation_from: str = ""
    test_from: str = ""
    validation_share: float = 0.0
    test_share: float = 0.0
    label_delay: str = "0d"
    rows: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One set of parameters tried: `score` on the validation rows (None when pruned or failed), `seconds` it took."""

    number: int
    state: Literal["complete", "pruned", "failed"]
    params: dict[str, Any]
    score: float | None
    seconds: float
    started: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """What training made: a bundle folder that can predict, and how it came about.

    `folder` is its object-store folder, `digest` that of its manifest. `refit_rows` is 0 until it is refitted.
    """

    id: str
    model: str
    task: TaskName
    folder: str
    digest: str
    metric: str
    params: dict[str, Any]
    split: SplitPlan
    score: float | None
    threshold: float
    features: tuple[str, ...]
    importance: dict[str, float]
    rows: int
    trained_until: str | None
    seconds: float
    trials: tuple[Trial, ...] = ()
    notes: tuple[str, ...] = ()
