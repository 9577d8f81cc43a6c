"""The runtimes that every installation has take the exam of the port. PyTorch and XGBoost do so beside their tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cloudpickle
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression

from loopwright.bootstrap.predictor import load_predictor
from loopwright.ports.predictor import Predictor
from loopwright.testing.exams.predictor import PredictorExam
from loopwright.training.onnx import to_onnx
from tests.adapters.pyfunc import test_predictor as pyfunc
from tests.adapters.runtime_kit import MATRIX, ROWS, outputs, target, write
from tests.bootstrap.test_predictor import fitted, own_scores


class HousesExam(PredictorExam):
    """The exam on the made houses."""

    @pytest.fixture
    def rows(self) -> dict[str, list[Any]]:
        return ROWS

    @pytest.fixture
    def needed(self) -> str:
        return "city"

    @pytest.fixture
    def misfit(self) -> tuple[str, Any]:
        return "rooms", "many"


class TestOnnx(HousesExam):
    @pytest.fixture(scope="class")
    def predictor(self, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
        data = to_onnx(fitted("multiclass"), MATRIX.shape[1]).data
        assert data is not None
        return load_predictor(write(tmp_path_factory.mktemp("m"), "onnx", "multiclass", {"model.onnx": data}))

    @pytest.fixture
    def offline(self) -> dict[str, Any]:
        return outputs("multiclass", own_scores(fitted("multiclass"), "multiclass"))

    tolerance = 1e-6  # its sums are of 32 bits, the model's own of 64


class TestLightGBM(HousesExam):
    @pytest.fixture(scope="class")
    def predictor(self, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
        text = fitted("binary").booster_.model_to_string().encode()
        return load_predictor(write(tmp_path_factory.mktemp("m"), "lightgbm", "binary", {"model.txt": text}), threads=2)

    @pytest.fixture
    def offline(self) -> dict[str, Any]:
        return outputs("binary", own_scores(fitted("binary"), "binary"))


class TestScikitLearn(HousesExam):
    model = HistGradientBoostingClassifier(max_iter=10, random_state=0).fit(MATRIX, target("multiclass"))

    @pytest.fixture(scope="class")
    def predictor(self, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
        pickled = {"model.pkl": cloudpickle.dumps(self.model)}
        return load_predictor(write(tmp_path_factory.mktemp("m"), "python", "multiclass", pickled))

    @pytest.fixture
    def offline(self) -> dict[str, Any]:
        return outputs("multiclass", self.model.predict_proba(MATRIX))


class TestPyfunc(PredictorExam):
    tolerance = 1e-12  # linear algebra adds up a row alone in another order

    @pytest.fixture(scope="class")
    def predictor(self, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
        folder: Path = tmp_path_factory.mktemp("m")
        return load_predictor(pyfunc.foreign(folder, LinearRegression(), pyfunc.PRICES, "regression"))

    @pytest.fixture
    def rows(self) -> dict[str, list[Any]]:
        return {name: pyfunc.FRAME[name].tolist() for name in pyfunc.FRAME}

    @pytest.fixture
    def needed(self) -> str:
        return "rooms"

    @pytest.fixture
    def misfit(self) -> tuple[str, Any]:
        return "size", "big"

    @pytest.fixture
    def offline(self, predictor: Any) -> dict[str, Any]:
        return {"prediction": predictor._model.get_raw_model().predict(pyfunc.FRAME)}
