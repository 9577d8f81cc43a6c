"""Rows of the ledger as numbers: what was said, and what came true of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.bundle.records import MANIFEST, Manifest
from loopwright.core.codec import from_json
from loopwright.evaluation.tasks import TASKS, Scores
from loopwright.ports.storage import Storage
from loopwright.registry.service import Registry
from loopwright.traffic.predictions import OUTPUT


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A version's rows in their order: `scores` as metrics take them, `truth` [n], NaN where it is not (yet) known."""

    scores: Scores
    truth: Scores

    @property
    def known(self) -> NDArray[np.bool_]:
        return np.isfinite(self.truth)


def manifest_of(storage: Storage, registry: Registry, model: str, version: int) -> Manifest:
    """The manifest of a registered version's bundle."""
    return from_json(storage.get(f"{registry.get(model, version).folder}/{MANIFEST}"), Manifest)


def measure_rows(manifest: Manifest, rows: pl.DataFrame) -> Measured:
    """The ledger's `rows` of one version as numbers. What an outcome says that the task cannot mean is not known: one
    wrong word must not keep the others from being measured.
    """
    task = TASKS[manifest.task]
    classes = task.classes(manifest)
    outputs = {name[len(OUTPUT) :]: rows[name].to_numpy() for name in rows.columns if name.startswith(OUTPUT)}
    truth = task.truth(rows["value"] if classes else rows["value"].cast(pl.Float64, strict=False), classes)
    return Measured(scores=task.scores(manifest, outputs, classes), truth=np.where(np.isfinite(truth), truth, np.nan))
