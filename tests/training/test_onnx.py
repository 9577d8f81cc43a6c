"""Conversion to ONNX: exact for LightGBM, close for scikit-learn, and refused in words where it would not be."""

from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from loopwright.adapters.onnx.predictor import open_session
from loopwright.training.onnx import agrees, to_onnx

RNG = np.random.default_rng(3)
ROWS = 1500
X = RNG.normal(size=(ROWS, 5))
X[RNG.random((ROWS, 5)) < 0.1] = np.nan
X[:, 2] = RNG.integers(-1, 60, ROWS)
X[:50, 2] = np.nan
Y = np.nan_to_num(X[:, 0]) * 3 + np.sin(np.nan_to_num(X[:, 2]) * 7) * 2 + 0.1 * RNG.normal(size=ROWS)
TARGETS: dict[str, NDArray[Any]] = {
    "regression": Y,
    "regression_l1": Y,
    "huber": Y,
    "quantile": Y,
    "mape": Y + 100,
    "poisson": np.abs(Y),
    "gamma": np.abs(Y) + 1,
    "tweedie": np.abs(Y),
    "binary": Y > 0,
    "cross_entropy": 1 / (1 + np.exp(-Y)),
    "multiclass": np.digitize(Y, [-1, 1]),
    "multiclassova": np.digitize(Y, [-1, 1]),
}


def train(objective: str, matrix: NDArray[Any] = X, **settings: Any) -> lgb.Booster:
    classes = {"num_class": 3} if objective.startswith("multiclass") else {}
    settings = {"objective": objective, "verbose": -1, "num_threads": 1, "num_leaves": 15, **classes, **settings}
    return lgb.train(settings, lgb.Dataset(matrix, TARGETS[objective], categorical_feature=[2]), 20)


def scores(data: bytes, matrix: NDArray[Any]) -> NDArray[Any]:
    session = open_session(data)
    made: NDArray[Any] = session.run(None, {"features": matrix})[-1]
    return made


def strange_rows() -> NDArray[np.float64]:
    """Rows as no training saw them: all missing, zeros, categories never seen, far values."""
    far = RNG.normal(size=(200, 5)) * 10
    far[:, 2] = RNG.integers(-1, 5000, 200)
    return np.vstack([X, far, np.full((1, 5), np.nan), np.zeros((1, 5)), np.full((1, 5), -1.0)])


@pytest.mark.parametrize("objective", TARGETS)
def test_lightgbm_converts_exactly_for_every_objective(objective: str) -> None:
    booster, rows = train(objective), strange_rows()
    conversion = to_onnx(booster, 5)
    assert conversion.data is not None, conversion.reason
    expected = booster.predict(rows)
    np.testing.assert_allclose(scores(conversion.data, rows).reshape(expected.shape), expected, rtol=1e-13, atol=1e-15)
    assert agrees(conversion.data, booster.predict, rows)[0]


@pytest.mark.parametrize(
    "settings",
    [
        {"boosting": "dart"},
        {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
        {"min_data_in_leaf": ROWS},
        {"use_missing": False},
        {"max_cat_to_onehot": 100},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_lightgbm_converts_exactly_with_other_settings(settings: dict[str, Any]) -> None:
    booster, rows = train("regression", **settings), strange_rows()
    conversion = to_onnx(booster, 5)
    assert conversion.data is not None, conversion.reason
    np.testing.assert_allclose(scores(conversion.data, rows)[:, 0], booster.predict(rows), rtol=1e-12)


def test_values_closer_than_32_bits_can_tell_are_kept_apart() -> None:
    matrix = np.column_stack([np.arange(ROWS) / 1000 + 1.7e9, X[:, 1:]])
    targets = (np.arange(ROWS) % 2).astype(float)
    booster = lgb.train({"verbose": -1, "min_data_in_leaf": 1, "max_bin": 5000}, lgb.Dataset(matrix, targets), 10)
    conversion = to_onnx(booster, 5)
    assert conversion.data is not None
    np.testing.assert_allclose(scores(conversion.data, matrix)[:, 0], booster.predict(matrix), rtol=1e-12)
    assert len(np.unique(booster.predict(matrix))) > 10


def test_lightgbm_estimators_convert_as_their_boosters() -> None:
    model = lgb.LGBMClassifier(n_estimators=10, verbose=-1).fit(X, Y > 0)
    conversion = to_onnx(model, 5)
    assert conversion.data is not None
    agree, difference = agrees(conversion.data, model.predict_proba, X)
    assert agree
    assert difference < 1e-12


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"linear_tree": True}, "its trees are linear"),
        ({"zero_as_missing": True}, "it takes zero for missing"),
        ({"reg_sqrt": True}, "its objective is 'regression sqrt'"),
    ],
)
def test_a_lightgbm_model_that_cannot_be_written_is_refused_in_words(settings: dict[str, Any], said: str) -> None:
    conversion = to_onnx(train("regression", np.nan_to_num(X), **settings), 5)
    assert conversion.data is None
    assert said in conversion.reason


@pytest.mark.parametrize(
    ("model", "target"),
    [
        (LinearRegression(), Y),
        (make_pipeline(StandardScaler(), LogisticRegression()), Y > 0),
        (RandomForestClassifier(5, max_depth=4, random_state=0), np.digitize(Y, [-1, 1])),
    ],
    ids=lambda value: type(value).__name__,
)
def test_scikit_learn_converts_closely(model: Any, target: NDArray[Any]) -> None:
    rows = np.nan_to_num(X)
    model.fit(rows, target)
    conversion = to_onnx(model, 5)
    assert conversion.data is not None, conversion.reason
    predict = model.predict_proba if hasattr(model, "predict_proba") else model.predict
    agree, difference = agrees(conversion.data, predict, rows)
    assert agree
    assert 0 < difference < 1e-4


def test_a_conversion_that_says_something_else_does_not_agree() -> None:
    rows = np.column_stack([np.arange(ROWS) + 1.7e9, X[:, 3:]])  # 32 bits cannot hold these moments apart
    model = LinearRegression().fit(np.nan_to_num(rows), np.arange(ROWS))
    conversion = to_onnx(model, 3)
    assert conversion.data is not None, conversion.reason
    agree, difference = agrees(conversion.data, model.predict, np.nan_to_num(rows))
    assert not agree
    assert difference > 1


@pytest.mark.parametrize("model", [object(), LinearRegression(), lambda matrix: matrix])
def test_what_does_not_convert_is_said_in_words(model: object) -> None:
    conversion = to_onnx(model, 5)
    assert conversion.data is None
    assert "does not convert: " in conversion.reason
    assert "\n" not in conversion.reason


def test_a_model_that_cannot_be_run_does_not_agree() -> None:
    conversion = to_onnx(train("regression"), 5)
    assert conversion.data is not None
    assert agrees(conversion.data, lambda rows: np.zeros(len(rows)), X[:, :1]) == (False, np.inf)
    assert agrees(b"no model", lambda rows: np.zeros(len(rows)), X) == (False, np.inf)
