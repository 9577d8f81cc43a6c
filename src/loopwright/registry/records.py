"""The registry's record: a model version."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from loopwright.core.decision import Decision
from loopwright.policies.tasks import TaskName
from loopwright.training.records import SplitPlan


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelVersion:
    """A bundle that passed its gate. `number` counts from 1 per model; everything else says where it came from.

    `folder` is the bundle's object-store folder, `digest` that of its manifest; `evaluated` the folder of the candidate
    that was evaluated, before its refit. `metrics` are the candidate's figures on the test rows. `anchor` is the number
    of the version that its successors are held against beside itself; None where that is this one.
    """

    id: str
    model: str
    number: int
    run: str
    task: TaskName
    folder: str
    digest: str
    evaluated: str | None
    dataset: str
    code: str
    created: datetime
    gate: Decision
    origin: Literal["trained", "imported"] = "trained"
    trained_until: str | None = None
    evaluated_until: str | None = None
    trained_rows: int = 0
    needs_approval: bool = False
    split: SplitPlan | None = None
    params: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    lineage: dict[str, str] = field(default_factory=dict)
    anchor: int | None = None
