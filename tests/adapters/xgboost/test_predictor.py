"""XGBoost serves its own boosters: what it says is what the estimator said, and nothing is unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

xgboost = pytest.importorskip("xgboost", reason="XGBoost is an extra, and not installed here")

from loopwright.bootstrap.predictor import load_predictor  # noqa: E402
from loopwright.declare import TaskName  # noqa: E402
from loopwright.errors import BundleError  # noqa: E402
from loopwright.ports.predictor import Predictor  # noqa: E402
from tests.adapters.runtime_kit import MATRIX, ROWS, outputs, target, write  # noqa: E402
from tests.adapters.test_runtimes import HousesExam  # noqa: E402


def fitted(task: TaskName) -> Any:
    learner = xgboost.XGBRegressor if task == "regression" else xgboost.XGBClassifier
    return learner(n_estimators=10, nthread=1).fit(MATRIX, target(task))


def bundle(folder: Path, task: TaskName) -> Path:
    return write(folder, "xgboost", task, {"model.ubj": bytes(fitted(task).get_booster().save_raw("ubj"))})


class TestXGBoost(HousesExam):
    @pytest.fixture(scope="class")
    def predictor(self, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
        return load_predictor(bundle(tmp_path_factory.mktemp("m"), "multiclass"), allow_pickle=False, threads=2)

    @pytest.fixture
    def offline(self) -> dict[str, Any]:
        return outputs("multiclass", fitted("multiclass").predict_proba(MATRIX))


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_every_task_is_answered_as_the_estimator_answers(task: TaskName, tmp_path: Path) -> None:
    model = fitted(task)
    own = model.predict(MATRIX) if task == "regression" else model.predict_proba(MATRIX)[:, 1]
    answer = load_predictor(bundle(tmp_path, task)).predict(ROWS)
    for name, values in outputs(task, own).items():
        np.testing.assert_array_equal(answer[name], values)


@pytest.mark.parametrize("damaged", [b"", b"no model", None])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, damaged: bytes | None) -> None:
    folder = bundle(tmp_path, "regression")
    (folder / "model.ubj").unlink()
    if damaged is not None:
        (folder / "model.ubj").write_bytes(damaged)
    with pytest.raises(BundleError, match=r"model\.ubj cannot be opened by XGBoost"):
        load_predictor(folder, verify=False)
