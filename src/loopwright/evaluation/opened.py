"""A bundle opened to be evaluated: its predictions, its speed and its size."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from loopwright.bundle.frames import frame_columns
from loopwright.bundle.outputs import Outputs
from loopwright.bundle.read import read_manifest
from loopwright.bundle.records import Manifest
from loopwright.errors import BundleError
from loopwright.evaluation.tasks import Scores, Task
from loopwright.ports.predictor import Predictor
from loopwright.ports.storage import fetch_folder
from loopwright.ports.workspace import LoadPredictor, Workspace

ASKED = 50
"""Single rows that the latency is measured on, and at most `PATIENCE` seconds."""
PATIENCE = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """A bundle's folder on this machine, what it says of itself, and its predictor in all threads there are.

    `name` is for error messages; `load` opens it again.
    """

    name: str
    folder: Path
    manifest: Manifest
    predictor: Predictor
    load: LoadPredictor

    @property
    def inputs(self) -> list[str]:
        return [one.name for one in self.manifest.signature.inputs]

    @property
    def size_mb(self) -> float:
        """All the files of the bundle, in millions of bytes."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file()) / 1e6

    def predict(self, rows: pl.DataFrame) -> Outputs:
        """Outputs for raw `rows`. Raises what the bundle's own code raises."""
        return self.predictor.predict(frame_columns(rows.select(self._there(rows))))

    def scores(self, task: Task, outputs: Outputs, classes: tuple[str, ...]) -> Scores:
        """The outputs as scores. Raises `BundleError` where some are no finite numbers."""
        scores = task.scores(self.manifest, outputs, classes)
        wrong = len(scores) - int(np.isfinite(scores.reshape(len(scores), -1)).all(axis=1).sum())
        if wrong:
            raise BundleError(
                f"{self.name} predicts values that are not finite numbers for {wrong:,} of {len(scores):,} test rows",
                remedy="look at missing values in its features, and at the scale of its target",
            )
        return scores

    def latency_ms(self, rows: pl.DataFrame) -> float:
        """The median time of a prediction for one row in one thread, as served; the first three are left out."""
        predictor = self.load(self.folder, threads=1)
        asked = rows.select(self._there(rows)).gather_every(max(1, rows.height // ASKED)).head(ASKED)
        single = [{name: [_as_sent(value)] for name, value in row.items()} for row in asked.to_dicts()]
        for row in single[:3]:
            predictor.predict(row)
        taken: list[float] = []
        for row in single:
            started = time.perf_counter()
            predictor.predict(row)
            taken.append(time.perf_counter() - started)
            if sum(taken) > PATIENCE:
                break
        return float(np.median(taken)) * 1000

    def _there(self, rows: pl.DataFrame) -> list[str]:
        return [name for name in self.inputs if name in rows.columns]


def _as_sent(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def open_bundle(name: str, folder: str, workspace: Workspace) -> Opened:
    """The bundle in the object-store folder `folder`. Raises `BundleError` and `NotFoundError`."""
    local = fetch_folder(workspace.storage, folder, workspace.folder)
    predictor = workspace.load_predictor(local, threads=0)
    return Opened(
        name=name, folder=local, manifest=read_manifest(local), predictor=predictor, load=workspace.load_predictor
    )
