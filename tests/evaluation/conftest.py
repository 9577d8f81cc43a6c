"""A small world for evaluations: rows in a store, bundles whose predictor is a function, a workspace around them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from loopwright.bundle.columns import Fitter
from loopwright.bundle.outputs import OutputShaper, task_signature
from loopwright.bundle.read import read_manifest
from loopwright.bundle.records import Encoding, Input, Manifest
from loopwright.bundle.write import write_bundle
from loopwright.core.clock import SystemClock
from loopwright.data.records import DatasetVersion, Part
from loopwright.data.snapshot import make_version
from loopwright.declare import Model
from loopwright.evaluation.records import Champion, EvaluateTask, EvaluationReport, JudgedRows
from loopwright.evaluation.service import evaluate
from loopwright.policies.tasks import TaskName
from loopwright.ports.storage import upload_folder
from loopwright.ports.workspace import Workspace
from loopwright.testing.storage import MemoryStorage
from loopwright.training.records import Candidate, SplitPlan
from loopwright.training.split import assign, newest, plan_split

KINDS: dict[Any, Any] = {
    pl.Float64: "number",
    pl.Int64: "integer",
    pl.String: "text",
    pl.Boolean: "boolean",
    pl.Date: "date",
    pl.Datetime("us"): "datetime",
}
Score = Callable[[dict[str, Any]], Any]


@dataclass
class World:
    """One model's rows and bundles. `score` functions take raw columns (arrays or lists) and give raw scores."""

    model: Model
    rows: pl.DataFrame
    folder: Path
    task: TaskName
    classes: tuple[str, ...] = ()
    storage: MemoryStorage = field(default_factory=MemoryStorage)
    scorers: dict[str, Score] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.split: SplitPlan = plan_split(self.model.declaration, self.rows)

    @property
    def inputs(self) -> list[str]:
        return [name for name in self.rows.columns if name != self.model.declaration.target]

    @property
    def test(self) -> pl.DataFrame:
        return self.rows.filter(assign(self.split, self.rows) == "test")

    def dataset(self) -> DatasetVersion:
        data = io.BytesIO()
        self.rows.write_parquet(data)
        self.storage.put("parts/one.parquet", data.getvalue())
        kinds = {name: KINDS[dtype] for name, dtype in self.rows.schema.items()}
        part = Part(key="parts/one.parquet", digest="d", rows=self.rows.height, origin="made")
        return make_version("made", "made", [part], kinds)

    def bundle(self, name: str, score: Score, *, inputs: list[str] | None = None, **manifest: Any) -> str:
        """A bundle in the store that predicts by `score`; returns its folder there."""
        schema = self.rows.schema
        wanted = [
            Input(name=one, kind=KINDS[schema[one]]) if one in schema else Input(name=one, kind="number")
            for one in inputs or self.inputs
        ]
        task, classes = manifest.pop("task", self.task), manifest.pop("classes", self.classes)
        draft = Manifest(
            model=self.model.name,
            task=task,
            runtime="python",
            signature=task_signature(task, wanted, classes),
            files={},
            created=datetime(2026, 1, 1, tzinfo=UTC),
            classes=classes,
            **manifest,
        )
        local = self.folder / "made" / name
        write_bundle(local, draft, encoding=Encoding(columns=(), names=()), contents={"model.pkl": b"x" * 500_000})
        upload_folder(self.storage, f"bundles/{name}", local)
        self.scorers[name] = score
        return f"bundles/{name}"

    def candidate(self, score: Score, **changes: Any) -> Candidate:
        manifest = {name: changes.pop(name) for name in ("threshold", "positive", "inputs") if name in changes}
        made = Candidate(
            id="candidate-1",
            model=self.model.name,
            task=self.task,
            folder=self.bundle("candidate", score, **manifest),
            digest="",
            metric="",
            params={},
            split=self.split,
            score=None,
            threshold=0.5,
            features=(),
            importance={self.inputs[0]: 1.0},
            rows=0,
            trained_until=self.trained_until(self.split),
            seconds=0.0,
        )
        return replace(made, **changes)

    def trained_until(self, plan: SplitPlan) -> str | None:
        train = assign(plan, self.rows) == "train"
        if plan.kind == "time":
            return newest(self.rows[plan.column].filter(train))
        return str(int(train.sum())) if plan.kind == "rows" else None

    def workspace(self) -> Workspace:
        return Workspace(
            storage=self.storage,
            folder=self.folder / "scratch",
            model=self.model,
            code=None,
            module=None,
            load_predictor=self._load,
            progress=lambda text, done: None,
            clock=SystemClock(),
        )

    def evaluate(
        self, score: Score, champion: Champion | None = None, judged: tuple[JudgedRows, ...] = (), **changes: Any
    ) -> EvaluationReport:
        task = EvaluateTask(
            candidate=self.candidate(score, **changes),
            dataset=self.dataset(),
            champion=champion,
            folder="evaluations/1",
            run_id="run-1",
            judged=judged,
        )
        return evaluate(task, self.workspace())

    def _load(self, folder: Path, *, threads: int = 1) -> ScoredBy:
        self.fetched.append(folder.name)
        return ScoredBy(read_manifest(folder), self.scorers[folder.name])


class ScoredBy:
    """A predictor that says what a function says."""

    def __init__(self, manifest: Manifest, score: Score) -> None:
        self.manifest = manifest
        self.score = score

    def predict(self, columns: Any) -> dict[str, Any]:
        fitted = Fitter(self.manifest.signature)(columns)
        rows = len(next(iter(fitted.values())))
        return OutputShaper(self.manifest)(self.score({name: np.asarray(one) for name, one in fitted.items()}), rows)


@pytest.fixture
def world(tmp_path: Path) -> Callable[..., World]:
    """Makes a `World` from a model, its rows and its task."""

    numbers = count()

    def make(model: Model, rows: pl.DataFrame, task: TaskName, classes: tuple[str, ...] = ()) -> World:
        return World(model, rows, tmp_path / str(next(numbers)), task, classes)

    return make
