"""A candidate from rows: what is learnt, what is refused, and a bundle that predicts what was trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from loopwright.bundle.frames import frame_columns
from loopwright.bundle.read import bundle_digest, read_encoding, read_manifest, verify_bundle
from loopwright.core.codec import from_json, to_json
from loopwright.data.records import DatasetVersion
from loopwright.data.snapshot import load_rows
from loopwright.declare import Model
from loopwright.errors import DeclarationError, FeatureError, LoopwrightError, TrainingError
from loopwright.policies.gate import Gate
from loopwright.policies.training import Threshold
from loopwright.ports.storage import fetch_folder
from loopwright.ports.workspace import Workspace
from loopwright.training.material import prepare
from loopwright.training.records import Candidate, TrainTask
from loopwright.training.service import train
from loopwright.training.split import assign

Make = Callable[[Model], Workspace]
MakeProject = Callable[[str], Workspace]
Take = Callable[[pl.DataFrame, Workspace], DatasetVersion]

RANDOM = np.random.default_rng(0)
N = 900
ROWS = pl.DataFrame(
    {
        "id": range(N),
        "day": [date(2020, 1, 1) + timedelta(days=one // 3) for one in range(N)],
        "x": RANDOM.normal(size=N),
        "kind": RANDOM.choice(["red", "green", "blue"], N),
        "note": [f"text {one}" for one in range(N)],
        "same": [1] * N,
        "after": RANDOM.normal(size=N),
    }
).with_columns(
    y=pl.col("x") * 3 + pl.col("kind").replace_strict({"red": 5.0, "green": 0.0, "blue": -2.0}) + pl.col("after"),
)
CALLED = ROWS.with_columns(y=pl.when(pl.col("y") > 2).then(pl.lit("yes")).otherwise(pl.lit("no")))


def made(workspace: Workspace, version: DatasetVersion, **given: Any) -> Candidate:
    return train(TrainTask(candidate_id="c1", run_id="r1", dataset=version, folder="candidates/c1", **given), workspace)


def opened(workspace: Workspace, candidate: Candidate) -> Path:
    folder = fetch_folder(workspace.storage, candidate.folder, workspace.folder / "opened")
    verify_bundle(folder)
    return folder


def predictions(workspace: Workspace, candidate: Candidate, rows: pl.DataFrame) -> dict[str, np.ndarray[Any, Any]]:
    folder = opened(workspace, candidate)
    names = [one.name for one in read_manifest(folder).signature.inputs]
    return dict(workspace.load_predictor(folder).predict(frame_columns(rows.select(names))))


def test_a_bare_declaration_makes_a_sound_regression_and_says_what_it_did(workspace: Make, version: Take) -> None:
    space = workspace(Model("m", source="s", target="y", time="day", key="id", drop=["after"]))
    candidate = made(space, version(ROWS, space))
    assert (candidate.task, candidate.metric) == ("regression", "rmse")
    assert candidate.score == pytest.approx(1.0, abs=0.35)  # what "after", unseen, leaves over
    assert candidate.features == ("day", "x", "kind")
    assert set(candidate.importance) == set(candidate.features)
    assert candidate.importance["x"] > candidate.importance["day"]
    said = "\n".join(candidate.notes)
    for words in (
        "task: regression",
        "split by time (day)",
        "'note' is left out",
        "'same' is left out",
        "'day' becomes",
    ):
        assert words in said
    manifest = read_manifest(opened(space, candidate))
    assert [one.name for one in manifest.signature.inputs] == ["day", "x", "kind"]
    assert manifest.trained_until == candidate.trained_until == "2020-07-13"
    assert (manifest.trained_rows, candidate.rows) == (585, 585)
    assert manifest.lineage["dataset"] == version(ROWS, space).digest
    assert candidate.digest == bundle_digest(opened(space, candidate))
    rest = ROWS.filter(pl.col("day") > date(2020, 8, 28))
    truth, answer = rest["y"].to_numpy(), predictions(space, candidate, rest)["prediction"]
    assert np.sqrt(np.mean((truth - answer) ** 2)) < 1.5


def test_a_binary_model_has_its_threshold_from_validation_rows(workspace: Make, version: Take) -> None:
    space = workspace(Model("m", source="s", target="y", key="id", drop=["after"], threshold=Threshold("f1")))
    candidate = made(space, version(CALLED, space))
    manifest = read_manifest(opened(space, candidate))
    assert (candidate.task, candidate.metric, manifest.positive) == ("binary", "roc_auc", "yes")
    assert manifest.threshold == candidate.threshold != 0.5
    answers = predictions(space, candidate, CALLED)
    np.testing.assert_array_equal(answers["label"] == "yes", answers["probability"] >= candidate.threshold)


def test_a_multiclass_model_has_a_probability_a_class(workspace: Make, version: Take) -> None:
    space = workspace(Model("m", source="s", target="kind", key="id"))
    candidate = made(space, version(ROWS.with_columns(x=pl.col("y") - 3 * pl.col("x")), space))
    assert candidate.task == "multiclass"
    answers = predictions(space, candidate, ROWS)
    assert answers["probabilities"].shape == (N, 3)
    assert read_manifest(opened(space, candidate)).classes == ("blue", "green", "red")


def test_training_again_gives_the_same_model(workspace: Make, version: Take) -> None:
    model = Model("m", source="s", target="y", key="id")
    one, other = (workspace(model) for _ in range(2))
    first, second = (made(space, version(ROWS, space)) for space in (one, other))
    assert read_encoding(opened(one, first)) == read_encoding(opened(other, second))
    assert (opened(one, first) / "model.txt").read_bytes() == (opened(other, second) / "model.txt").read_bytes()
    assert first.score == second.score


def test_the_three_functions_are_used_and_travel_with_the_bundle(project: MakeProject, version: Take) -> None:
    space = project("""
from sklearn.linear_model import Ridge
model = Model("m", source="s", target="y", key="id", time="day", drop=["after"], gate=Gate("mae", at_most=9))

@model.features
def features(rows):
    return rows.select("id", "day", "x", red=pl.col("kind") == "red", monday=pl.col("day").dt.weekday() == 1)

@model.train
def train(data, params):
    return Ridge(**params).fit(data.X, data.y)

@model.tune(trials=4)
def search(trial):
    return {"alpha": trial.suggest_float("alpha", 1e-3, 10, log=True)}
""")
    candidate = made(space, version(ROWS, space), warm_start={"alpha": 0.5})
    assert candidate.features == ("x", "red", "monday")  # id and day are key and time under their own names
    assert (len(candidate.trials), candidate.trials[0].params) == (4, {"alpha": 0.5})
    assert candidate.params in [one.params for one in candidate.trials]
    assert candidate.metric == "mae"
    folder = opened(space, candidate)
    assert (folder / "code" / "project.py").exists()
    assert [one.name for one in read_manifest(folder).signature.inputs] == ["id", "day", "x", "kind"]  # it selects id
    assert "scikit-learn==" in (folder / "requirements.txt").read_text()
    assert np.isfinite(predictions(space, candidate, ROWS)["prediction"]).all()


def test_a_train_function_without_onnx_is_served_by_python(project: MakeProject, version: Take) -> None:
    space = project("""
import numpy as np

class Mean:
    def fit(self, X, y):
        self.mean = float(np.mean(y))
        return self

    def predict(self, X):
        return np.full(len(X), self.mean) + X[:, 0]

model = Model("m", source="s", target="y", key="id", drop=["day", "kind", "note", "same", "after"])

@model.train
def train(data, params):
    return Mean().fit(data.X, data.y)
""")
    candidate = made(space, version(ROWS, space))
    assert read_manifest(opened(space, candidate)).runtime == "python"
    assert any("not ONNX" in note for note in candidate.notes)
    assert candidate.importance == {"x": 1.0}
    expected = predictions(space, candidate, ROWS)["prediction"]
    np.testing.assert_allclose(expected - expected[0], (ROWS["x"] - ROWS["x"][0]).to_numpy())


def test_labels_without_probabilities_are_said(project: MakeProject, version: Take) -> None:
    space = project("""
from sklearn.linear_model import RidgeClassifier

model = Model("m", source="s", target="after", task="binary", key="id", drop=["day", "kind", "note", "same", "y"])

@model.train
def train(data, params):
    return RidgeClassifier().fit(data.X, data.y)
""")
    rows = ROWS.with_columns(after=(pl.col("id") * 7 % 3 == 0))
    assert any("gives labels, not probabilities" in note for note in made(space, version(rows, space)).notes)


def test_without_onnx_asked_for_none_is_made(workspace: Make, version: Take) -> None:
    space = workspace(Model("m", source="s", target="y", key="id"))
    assert not read_manifest(opened(space, made(space, version(ROWS, space), onnx=False))).has_onnx


def test_rows_without_a_target_are_left_out_and_said(workspace: Make, version: Take) -> None:
    space = workspace(Model("m", source="s", target="y", key="id"))
    gaps = ROWS.with_columns(y=pl.when(pl.col("id") % 3 == 0).then(None).otherwise(pl.col("y")))
    candidate = made(space, version(gaps, space))
    assert "300 rows are left out: their target is missing" in candidate.notes
    assert candidate.rows < 600


def test_missing_values_and_unseen_categories_are_no_hindrance(workspace: Make, version: Take) -> None:
    space = workspace(Model("m", source="s", target="y", key="id", drop=["after"]))
    holes = ROWS.with_columns(
        pl.when(pl.col("id") % 7 > 0).then(pl.col("x")), pl.when(pl.col("id") % 5 > 0).then("kind")
    )
    candidate = made(space, version(holes, space))
    rows = ROWS.head(2).with_columns(x=pl.lit(None, dtype=pl.Float64), kind=pl.Series(["purple", None]))
    assert np.isfinite(predictions(space, candidate, rows)["prediction"]).all()


def test_a_score_too_good_to_be_true_is_said(workspace: Make, version: Take) -> None:
    parts = pl.DataFrame({"id": range(4000), "a": RANDOM.integers(0, 30, 4000), "b": RANDOM.integers(0, 30, 4000)})
    space = workspace(Model("m", source="s", target="y", key="id"))
    candidate = made(space, version(parts.with_columns(y=pl.col("a") + pl.col("b")), space))
    assert any("together give the target away" in note for note in candidate.notes)


def test_the_record_survives_json(workspace: Make, version: Take) -> None:
    space = workspace(Model("m", source="s", target="y", time="day", drop=["after"]))
    candidate = made(space, version(ROWS, space))
    assert from_json(to_json(candidate), Candidate) == candidate


LATE = CALLED.with_columns(y=pl.when(pl.col("id") > 800).then(pl.lit("yes")).otherwise(pl.lit("no")))
REFUSED: list[tuple[dict[str, Any], pl.DataFrame, type[LoopwrightError], str]] = [
    ({}, CALLED.with_columns(y=pl.lit("yes")), TrainingError, "is always yes"),
    ({"time": "day"}, LATE, TrainingError, "is always 'no' in the 585 training rows"),
    ({"gate": Gate("roc_auc", at_least=0.5)}, ROWS, DeclarationError, "the gate is on roc_auc, but the task is regr"),
    ({}, ROWS.with_columns(copy=pl.col("y") * 2), FeatureError, r"'copy' all but equals the target 'y'"),
    ({}, ROWS.select("id", "y", "same", "note"), FeatureError, "no feature is left"),
]


@pytest.mark.parametrize(("given", "rows", "kind", "message"), REFUSED)
def test_what_cannot_be_learnt_is_refused_with_its_reason(
    workspace: Make,
    version: Take,
    given: dict[str, Any],
    rows: pl.DataFrame,
    kind: type[LoopwrightError],
    message: str,
) -> None:
    space = workspace(Model("m", source="s", target="y", key="id", **given))
    with pytest.raises(kind, match=message) as caught:
        made(space, version(rows, space))
    assert caught.value.remedy
    assert not list(space.storage.list("candidates"))


def test_a_lag_in_the_feature_function_stops_the_training(project: MakeProject, version: Take) -> None:
    space = project("""
model = Model("m", source="s", target="y", key="id")

@model.features
def features(rows):
    return rows.select("kind", before=pl.col("x").shift(1))
""")
    with pytest.raises(FeatureError, match="'before' is another for a row alone"):
        made(space, version(ROWS, space))


def test_made_features_of_every_type_are_the_same_in_training_and_serving(project: MakeProject, version: Take) -> None:
    space = project("""
model = Model("m", source="s", target="y", key="id", drop=["after"])

@model.features
def features(rows):
    moment = pl.col("day").cast(pl.Datetime("ms", "Europe/Paris"))
    return rows.select(
        "x",
        text=pl.col("kind"),
        category=pl.col("kind").cast(pl.Categorical),
        enum=pl.col("kind").cast(pl.Enum(["red", "green", "blue"])),
        truth=pl.when(pl.col("id") % 3 > 0).then(pl.col("x") > 0),
        small=(pl.col("id") % 200).cast(pl.UInt8),
        single=pl.col("x").cast(pl.Float32),
        decimal=pl.col("x").round(2).cast(pl.Decimal(10, 2)),
        day=pl.col("day"),
        moment=moment + pl.duration(hours=pl.col("id") % 24),
        gaps=pl.when(pl.col("id") % 2 == 0).then(pl.col("day").cast(pl.Datetime("ns"))),
    )
""")
    dataset = version(ROWS, space)
    candidate = made(space, dataset)
    trained = prepare(space.model, dataset, load_rows(dataset, space.storage, space.folder / "rows"))
    assert len(candidate.features) == 11
    served: Any = space.load_predictor(opened(space, candidate))
    train_rows = ROWS.filter(assign(candidate.split, ROWS) == "train")
    columns = frame_columns(train_rows.select("id", "day", "x", "kind"))
    np.testing.assert_array_equal(served.matrix(columns).astype(np.float32), trained.data.X)


def test_what_is_going_on_is_told_on_the_way(workspace: Make, version: Take) -> None:
    told: list[tuple[str, float]] = []
    space = replace(
        workspace(Model("m", source="s", target="y", key="id")), progress=lambda text, done: told.append((text, done))
    )
    made(space, version(ROWS, space))
    assert [done for _, done in told] == sorted(done for _, done in told)
    assert told[0][1] == 0
    assert told[-1][1] == 1
    assert any("boosting: round 10" in text for text, _ in told)
