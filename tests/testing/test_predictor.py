"""The model that needs no training answers row by row, and refuses what it lacks."""

import numpy as np
import pytest

from loopwright.errors import RequestError
from loopwright.testing.predictor import FakePredictor


def test_it_answers_each_row_by_the_function():
    predictor = FakePredictor(lambda row: {"prediction": row["x"] * 2.0, "label": row["kind"]})
    answer = predictor.predict({"x": np.array([1.0, 2.5]), "kind": ["a", "b"]})
    assert answer["prediction"].tolist() == [2.0, 5.0]
    assert answer["label"].tolist() == ["a", "b"]
    assert predictor.asked == 2


def test_a_missing_column_is_named():
    predictor = FakePredictor(lambda row: {"prediction": 0.0}, needs=("temperature",))
    with pytest.raises(RequestError, match="temperature"):
        predictor.predict({"x": [1.0]})
