"""Real rows: bike sharing and bank marketing, trained and refitted as their users would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from loopwright.bundle.frames import frame_columns
from loopwright.bundle.read import read_manifest
from loopwright.bundle.records import Reference
from loopwright.core.codec import to_json
from loopwright.data.records import DatasetVersion
from loopwright.data.snapshot import load_rows
from loopwright.ports.storage import fetch_folder
from loopwright.ports.workspace import Workspace
from loopwright.statistics.metrics import metric
from loopwright.training.records import Candidate, RefitTask, TrainTask
from loopwright.training.service import refit, train
from loopwright.training.split import assign
from loopwright.training.target import target_values

BIKE = """
model = Model("bike-demand", source="hour.csv", target="cnt", time="dteday", key="instant",
              drop=["casual", "registered"], gate=Gate("rmse", at_most=70))
"""
OWN = """
from lightgbm import LGBMRegressor

@model.features
def features(rows):
    rush = pl.col("hr").is_in([7, 8, 17, 18, 19]) & (pl.col("workingday") == 1)
    return rows.with_columns(rush=rush, month=pl.col("dteday").dt.month())

@model.train
def train(data, params): return LGBMRegressor(**params, verbosity=-1).fit(data.X, data.y)

@model.tune(trials=3)
def search(trial): return {"num_leaves": trial.suggest_int("num_leaves", 15, 255, log=True)}
"""
BANK = (
    'model = Model("bank", source="bank.csv", target="y", order="rows", drop=["duration"], threshold=Threshold("f1"))'
)


class Trained:
    """A model trained on a file, and how it does on the test rows."""

    def __init__(self, space: Workspace, version: DatasetVersion) -> None:
        self.space, self.version = space, version
        self.candidate = train(TrainTask(candidate_id="c", run_id="r", dataset=version, folder="candidates/c"), space)

    def on_test_rows(self, name: str) -> float | None:
        folder = fetch_folder(self.space.storage, self.candidate.folder, self.space.folder / "opened")
        manifest = read_manifest(folder)
        rows = load_rows(self.version, self.space.storage, self.space.folder / "rows").collect()
        rows = rows.filter(assign(self.candidate.split, rows) == "test")
        answers = self.space.load_predictor(folder).predict(frame_columns(rows))
        truth = target_values(manifest.task, manifest.classes, rows[manifest.target])
        outputs = answers["prediction"] if manifest.task == "regression" else answers["probability"]
        return metric(manifest.task, name, truth, outputs)

    def refit(self) -> Candidate:
        self.space.storage.put("reference", to_json(Reference(rows=0, columns=())))
        task = RefitTask(candidate=self.candidate, dataset=self.version, folder="bundles/c", reference_key="reference")
        return refit(task, self.space)


@pytest.fixture
def trained(
    project: Callable[[str], Workspace],
    version: Callable[[pl.DataFrame | Path, Workspace], DatasetVersion],
    real_data: Path,
) -> Callable[[str, str], Trained]:
    def make(text: str, file: str) -> Trained:
        space = project(text)
        return Trained(space, version(real_data / file, space))

    return make


@pytest.mark.parametrize("text", [BIKE, BIKE + OWN], ids=["bare", "with functions"])
def test_bike_demand_is_learnt_and_refitted_on_all_hours(trained: Callable[[str, str], Trained], text: str) -> None:
    bike = trained(text, "bike_sharing_hourly/hour.csv")
    rmse = bike.on_test_rows("rmse")
    assert rmse is not None
    assert rmse < 90  # the hours' own spread is 220
    assert bike.candidate.trained_until == "2012-04-19"
    final = bike.refit()
    assert (final.rows, final.trained_until) == (17_379, "2012-12-31")
    assert not any("thrown away" in note for note in final.notes)


def test_bank_marketing_without_functions_does_better_than_chance_on_later_rows(
    trained: Callable[[str, str], Trained],
) -> None:
    bank = trained(BANK, "bank_marketing/bank-additional-full.csv")
    auc = bank.on_test_rows("roc_auc")
    assert auc is not None
    assert auc > 0.55
    assert np.isfinite(bank.candidate.threshold)
    assert bank.candidate.split.kind == "rows"
    assert bank.refit().rows == 41_188
