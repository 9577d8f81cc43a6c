"""The model that needs no training takes the exam, and answers by its function."""

import pytest

from loopwright.errors import BundleError, RequestError
from loopwright.testing.exams.predictor import PredictorExam
from loopwright.testing.predictor import FakePredictor


def answer(row):
    if isinstance(row["x"], str):
        raise RequestError("the column 'x' holds a text", remedy="send a number")
    return {"prediction": row["x"] * 2.0, "label": row["kind"]}


@pytest.fixture
def predictor():
    return FakePredictor(answer, needs=("x", "kind"))


class TestFakePredictor(PredictorExam):
    @pytest.fixture
    def rows(self):
        return {"x": [1.0, 2.5, -1.0], "kind": ["a", "b", "a"]}

    @pytest.fixture
    def needed(self):
        return "kind"

    @pytest.fixture
    def misfit(self):
        return "x", "many"

    @pytest.fixture
    def offline(self):
        return {"prediction": [2.0, 5.0, -2.0]}


def test_it_answers_each_row_by_the_function_and_counts_them(predictor):
    found = predictor.predict({"x": [1.0, 2.5], "kind": ["a", "b"]})
    assert found["prediction"].tolist() == [2.0, 5.0]
    assert found["label"].tolist() == ["a", "b"]
    assert predictor.asked == 2


def test_a_function_that_fails_fails_as_a_models_code_does(predictor):
    with pytest.raises(BundleError, match="the function raised TypeError"):
        predictor.predict({"x": [None], "kind": ["a"]})
