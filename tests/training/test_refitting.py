"""The refit: the same settings on more rows, held against the evaluated model, test rows of a hash never seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from loopwright.bundle.read import bundle_digest, read_encoding, read_manifest, read_reference, verify_bundle
from loopwright.bundle.records import Reference, ReferenceColumn
from loopwright.core.codec import to_json
from loopwright.data.records import DatasetVersion
from loopwright.ports.storage import fetch_folder
from loopwright.ports.workspace import Workspace
from loopwright.training.records import Candidate, RefitTask, TrainTask
from loopwright.training.refitting import scaled_rounds
from loopwright.training.service import refit, train
from loopwright.training.split import assign

RANDOM = np.random.default_rng(0)
N = 1200
ROWS = pl.DataFrame(
    {
        "id": range(N),
        "day": [date(2020, 1, 1) + timedelta(days=one // 3) for one in range(N)],
        "x": RANDOM.normal(size=N),
        "kind": RANDOM.choice(["red", "green", "blue"], N),
    }
).with_columns(
    y=pl.col("x") * 3 + pl.col("kind").replace_strict({"red": 5.0, "green": 0.0, "blue": -2.0}) + RANDOM.normal(size=N),
)
REFERENCE = Reference(
    rows=10,
    columns=(
        ReferenceColumn(name="input.x", kind="number", counts=(5, 5), edges=(0.0,)),
        ReferenceColumn(name="input.kind", kind="category", counts=(5, 5), values=("red",)),
        ReferenceColumn(name="output.prediction", kind="number", counts=(5, 5), edges=(0.0,)),
    ),
)
EVALUATION = b'{"metrics": {"candidate": {"rmse": {"value": 1.25, "low": 1.0, "high": 1.5}}}}'
PROJECT = """
model = Model("m", source="s", target="y", key="id")
"""


class Bench:
    """A workspace with rows, a candidate made of them, and what an evaluation leaves."""

    def __init__(self, workspace: Workspace, version: DatasetVersion) -> None:
        self.workspace = workspace
        self.version = version
        self.storage = workspace.storage
        self.storage.put("evaluations/reference.json", to_json(REFERENCE))
        self.storage.put("evaluations/evaluation.json", EVALUATION)
        task = TrainTask(candidate_id="c1", run_id="r1", dataset=version, folder="candidates/c1")
        self.candidate = train(task, workspace)

    def refit(self, **given: Any) -> Candidate:
        task = RefitTask(
            candidate=replace(self.candidate, **given),
            dataset=self.version,
            folder="bundles/c1",
            reference_key="evaluations/reference.json",
            bundle_extras={"evaluation.json": "evaluations/evaluation.json"},
        )
        return refit(task, self.workspace)

    def folder(self, candidate: Candidate) -> Path:
        found = fetch_folder(self.storage, candidate.folder, self.workspace.folder / "opened")
        verify_bundle(found)
        return found


@pytest.fixture
def bench(
    project: Callable[[str], Workspace], version: Callable[[pl.DataFrame, Workspace], DatasetVersion]
) -> Callable[..., Bench]:
    def make(text: str = PROJECT, rows: pl.DataFrame = ROWS) -> Bench:
        space = project(text)
        return Bench(space, version(rows, space))

    return make


def test_by_time_all_rows_are_fitted(bench: Callable[..., Bench]) -> None:
    one = bench(PROJECT.replace('key="id"', 'key="id", time="day"'))
    final = one.refit()
    assert (one.candidate.rows, final.rows) == (780, N)
    assert (one.candidate.trained_until, final.trained_until) == ("2020-09-16", "2021-02-03")
    assert final.split == one.candidate.split
    assert final.folder == "bundles/c1"
    assert final.digest == bundle_digest(one.folder(final)) != one.candidate.digest
    assert (final.threshold, final.params, final.score) == (one.candidate.threshold, {}, one.candidate.score)


def test_by_a_hash_the_test_rows_stay_unseen(bench: Callable[..., Bench]) -> None:
    one = bench()
    final = one.refit()
    assert final.rows == int((assign(one.candidate.split, ROWS) != "test").sum()) < N
    assert any("all but the test rows, which stay unseen for ever" in note for note in final.notes)
    # The same target, absurd in the test rows alone, makes the same model.
    spoiled = ROWS.with_columns(y=pl.when(assign(one.candidate.split, ROWS) == "test").then(1e6).otherwise("y"))
    other = bench(rows=spoiled)
    one_text, other_text = ((each.folder(each.refit()) / "model.txt").read_text() for each in (one, other))
    assert one_text == other_text


def test_the_final_bundle_has_its_papers_and_its_reference_with_importance(bench: Callable[..., Bench]) -> None:
    one = bench()
    final = one.refit()
    folder = one.folder(final)
    assert {"card.md", "bom.json", "evaluation.json", "reference.json", "MLmodel"} <= {
        path.name for path in folder.iterdir()
    }
    card = (folder / "card.md").read_text()
    assert "rmse (test) | 1.25" in card
    assert "refitted on" in card
    weights = {column.name: column.importance for column in read_reference(folder).columns}
    assert weights["output.prediction"] == 0
    assert weights["input.x"] == pytest.approx(one.candidate.importance["x"])
    assert weights["input.x"] + weights["input.kind"] == pytest.approx(1, abs=0.1)


def test_made_features_share_their_importance_among_their_inputs(bench: Callable[..., Bench]) -> None:
    one = bench(
        PROJECT
        + """
@model.features
def features(rows):
    return rows.select(both=pl.col("x") * (pl.col("kind") == "red"), alone=pl.col("x"))
"""
    )
    weights = {column.name: column.importance for column in read_reference(one.folder(one.refit())).columns}
    both, alone = one.candidate.importance["both"], one.candidate.importance["alone"]
    assert weights["input.kind"] == pytest.approx(both / 2)
    assert weights["input.x"] == pytest.approx(both / 2 + alone)


def test_rounds_found_grow_with_the_rows_and_features_stay(bench: Callable[..., Bench]) -> None:
    one = bench()
    final = one.refit()
    text = (one.folder(final) / "model.txt").read_text()
    assert one.candidate.rounds is not None
    assert text.count("Tree=") == scaled_rounds(one.candidate.rounds, one.candidate.rows, final.rows)
    assert read_encoding(one.folder(final)).names == read_encoding(one.folder(one.candidate)).names


def test_rounds_grow_by_the_square_root_and_never_by_more_than_half() -> None:
    assert scaled_rounds(100, 1000, 1000) == 100
    assert scaled_rounds(100, 1000, 1210) == 110
    assert scaled_rounds(100, 1000, 10_000) == 150
    assert scaled_rounds(100, 1000, 500) == 100


def test_refit_false_sends_the_evaluated_model_itself(bench: Callable[..., Bench]) -> None:
    one = bench(PROJECT.replace('key="id"', 'key="id", refit=False'))
    final = one.refit()
    assert final.rows == one.candidate.rows
    assert (one.folder(final) / "model.txt").read_bytes() == (one.folder(one.candidate) / "model.txt").read_bytes()
    assert any("refit=False" in note for note in final.notes)
    assert read_reference(one.folder(final)) is not None


def test_a_refit_that_strays_is_thrown_away(bench: Callable[..., Bench]) -> None:
    one = bench()
    final = one.refit(rounds=1)  # one round of boosting cannot say what all of them said
    assert any(
        "the refit was thrown away" in note and "its error on the validation rows" in note for note in final.notes
    )
    assert (one.folder(final) / "model.txt").read_bytes() == (one.folder(one.candidate) / "model.txt").read_bytes()
    assert final.rows == one.candidate.rows


WATCHING = """
from lightgbm import LGBMRegressor, early_stopping

@model.train
def train(data, params):
    fit = LGBMRegressor(n_estimators=2000, verbosity=-1, n_jobs=1)
    watch = {"eval_X": data.X_validation, "eval_y": data.y_validation}
    return fit.fit(data.X, data.y, **watch, callbacks=[early_stopping(20, verbose=False)])
"""


def test_a_train_function_that_watches_validation_rows_is_kept_some(bench: Callable[..., Bench]) -> None:
    one = bench(PROJECT + WATCHING)
    assert one.candidate.watched
    final = one.refit()
    usable = int((assign(one.candidate.split, ROWS) != "test").sum())
    assert 0.85 * usable < final.rows < 0.95 * usable
    assert any("kept aside" in note for note in final.notes)
    assert (one.folder(final) / "model.txt").read_text().count("Tree=") < 1000


def test_classes_stay_those_of_the_evaluated_model(bench: Callable[..., Bench]) -> None:
    rows = ROWS.with_columns(
        y=pl.when(pl.col("x") > 0).then(pl.lit("yes")).otherwise(pl.lit("no")), x=pl.col("x") + RANDOM.normal(size=N)
    )
    one = bench(rows=rows)
    final = one.refit()
    before, after = read_manifest(one.folder(one.candidate)), read_manifest(one.folder(final))
    assert after.classes == before.classes == ("no", "yes")
    assert after.lineage["evaluated"] == one.candidate.digest
    assert after.lineage["run"] == "r1"
