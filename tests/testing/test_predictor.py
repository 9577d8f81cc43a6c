"""The model that needs no training takes the exam, and answers by its function."""

import pytest

from loopwright.testing.exams.predictor import PredictorExam
from loopwright.testing.predictor import FakePredictor


@pytest.fixture
def predictor():
    return FakePredictor(lambda row: {"prediction": row["x"] * 2.0, "label": row["kind"]}, needs=("x", "kind"))


class TestFakePredictor(PredictorExam):
    @pytest.fixture
    def rows(self):
        return {"x": [1.0, 2.5, -1.0], "kind": ["a", "b", "a"]}

    @pytest.fixture
    def needed(self):
        return "kind"


def test_it_answers_each_row_by_the_function_and_counts_them(predictor):
    answer = predictor.predict({"x": [1.0, 2.5], "kind": ["a", "b"]})
    assert answer["prediction"].tolist() == [2.0, 5.0]
    assert answer["label"].tolist() == ["a", "b"]
    assert predictor.asked == 2
