"""A model that was trained elsewhere and saved by MLflow, served from a bundle."""

import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from loopwright.adapters.pyfunc.predictor import PyfuncPredictor
from loopwright.bootstrap.predictor import load_predictor
from loopwright.bundle.outputs import task_signature
from loopwright.bundle.records import Encoding, Input, Manifest
from loopwright.bundle.write import write_bundle
from loopwright.errors import BundleError, RequestError
from loopwright.policies.tasks import TaskName

FRAME = pd.DataFrame(
    {"size": [10.0, 20.0, 30.0, 40.0], "rooms": [1, 2, 3, 4], "city": ["Bern", "Cork", "Bern", "Cork"]}
)
INPUTS = [Input(name="size", kind="number"), Input(name="rooms", kind="integer"), Input(name="city", kind="text")]
with warnings.catch_warnings(action="ignore"):  # MLflow's hint that whole numbers cannot be missing
    SIGNATURE = infer_signature(FRAME)
PRICES = np.array([1.0, 2.5, 3.0, 4.0])
LEVELS = np.array(["cheap", "cheap", "dear", "dear"])


def foreign(folder: Path, estimator: Any, target: Any, task: TaskName, classes: tuple[str, ...] = ()) -> Path:
    """A bundle around an MLflow model that insists on its own signature, as models trained elsewhere do."""
    pipeline = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough"), estimator
    ).fit(FRAME, target)
    mlflow.sklearn.save_model(
        pipeline,
        folder / "model",
        signature=SIGNATURE,
        pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )
    draft = Manifest(
        model="houses",
        task=task,
        runtime="pyfunc",
        signature=task_signature(task, INPUTS, classes),
        files={},
        created=datetime(2026, 1, 1, tzinfo=UTC),
        classes=classes,
    )
    write_bundle(folder, draft, encoding=Encoding(columns=(), names=()))
    return folder


@pytest.fixture(scope="module")
def regression(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return foreign(tmp_path_factory.mktemp("regression"), LinearRegression(), PRICES, "regression")


def test_a_foreign_model_gets_the_types_it_was_trained_on(regression: Path) -> None:
    outputs = load_predictor(regression).predict(
        {"city": ["Bern", "Cork"], "rooms": [1.0, "2"], "size": [10, 20], "unknown": [0, 0]}
    )
    own = mlflow.sklearn.load_model(str(regression / "model")).predict(FRAME[:2])
    np.testing.assert_allclose(outputs["prediction"], own)
    assert load_predictor(regression).predict({"city": [], "rooms": [], "size": []})["prediction"].shape == (0,)


def test_a_foreign_classifier_that_answers_labels_has_probabilities_of_nought_and_one(tmp_path: Path) -> None:
    folder = foreign(tmp_path, LogisticRegression(C=1e6), LEVELS, "binary", ("cheap", "dear"))
    outputs = load_predictor(folder).predict({name: FRAME[name].to_numpy() for name in FRAME})
    assert outputs["label"].tolist() == LEVELS.tolist()
    assert outputs["probability"].tolist() == [0.0, 0.0, 1.0, 1.0]


def test_a_request_that_does_not_fit_is_told_which_column(regression: Path) -> None:
    predictor = load_predictor(regression)
    with pytest.raises(RequestError, match="the column 'rooms' is missing"):
        predictor.predict({"city": ["Bern"], "size": [10]})
    with pytest.raises(
        RequestError, match="the column 'size' expects values of kind number, but row 1 of 1 holds 'big'"
    ):
        predictor.predict({"city": ["Bern"], "size": ["big"], "rooms": [1]})


def test_what_the_foreign_model_itself_refuses_is_passed_on(regression: Path) -> None:
    with pytest.raises(BundleError, match=r"houses: the MLflow model raised .*unknown categories"):
        load_predictor(regression).predict({"city": ["Dover"], "size": [10], "rooms": [1]})


def test_a_foreign_model_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    folder = foreign(tmp_path, LinearRegression(), PRICES, "regression")
    (folder / "model" / "MLmodel").unlink()
    with pytest.raises(BundleError, match="the MLflow model in houses cannot be opened"):
        load_predictor(folder, verify=False)


def test_a_model_that_writes_all_its_answers_into_one_place_changes_none_that_was_given() -> None:
    class Reuses:
        answer = np.array([1.0])

        def predict(self, table: pd.DataFrame) -> Any:
            self.answer[:] = table["size"]
            return self.answer

    draft = Manifest(
        model="houses",
        task="regression",
        runtime="pyfunc",
        signature=task_signature("regression", INPUTS[:1]),
        files={},
        created=datetime(2026, 1, 1, tzinfo=UTC),
    )
    predictor = PyfuncPredictor(Reuses(), draft)
    first, second = (predictor.predict({"size": [size]})["prediction"].tolist for size in (10.0, 20.0))
    assert (first(), second()) == ([10.0], [20.0])
