"""Importance is by feature, sums to one, and points at what the model leans on."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest

from loopwright.bundle.records import FeatureColumn
from loopwright.features.matrix import make_encoding
from loopwright.training.importance import gain_importance, permuted_importance

ENCODING = make_encoding(
    [
        FeatureColumn(name="day", kind="date", parts=("month", "weekday")),
        FeatureColumn(name="x", kind="number"),
        FeatureColumn(name="idle", kind="number"),
    ]
)
X = np.random.default_rng(0).normal(size=(3000, 4))
Y = X[:, 0] + X[:, 1] + X[:, 2]


def test_the_parts_of_a_date_count_together() -> None:
    booster = lightgbm.train({"verbosity": -1, "num_threads": 1}, lightgbm.Dataset(X, Y), 30)
    for found in (
        gain_importance(ENCODING, booster),
        permuted_importance(ENCODING, lambda rows: rows[:, 0] + rows[:, 1] + rows[:, 2], X, 0),
    ):
        assert list(found) == ["day", "x", "idle"]
        assert sum(found.values()) == pytest.approx(1)
        assert found["day"] > found["x"] > 10 * found["idle"]


def test_shuffling_is_the_same_for_the_same_seed_and_leaves_the_rows_alone() -> None:
    before = X.copy()
    one, other = (permuted_importance(ENCODING, lambda rows: rows[:, 2] ** 2, X, 1) for _ in range(2))
    assert one == other == {"day": 0.0, "x": 1.0, "idle": 0.0}
    np.testing.assert_array_equal(X, before)


def test_a_model_that_leans_on_nothing_has_no_importance() -> None:
    assert set(permuted_importance(ENCODING, lambda rows: np.zeros(len(rows)), X, 0).values()) == {0.0}
