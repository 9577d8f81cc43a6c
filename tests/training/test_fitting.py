"""Fitting: LightGBM does the same whenever asked, and a train function's faults are said in its own terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier

from loopwright.bundle.records import FeatureColumn
from loopwright.errors import TrainingError
from loopwright.features.matrix import make_encoding
from loopwright.policies.tasks import TaskName
from loopwright.training.fitting import BoostingFit, Fit, FunctionFit
from loopwright.training.material import TrainData

ENCODING = make_encoding([FeatureColumn(name="a", kind="number"), FeatureColumn(name="b", kind="number")])


def data(task: TaskName, classes: tuple[str, ...] = (), rows: int = 600, seed: int = 3) -> TrainData:
    random = np.random.default_rng(seed)
    X = random.normal(size=(rows, 2))
    signal = 3 * X[:, 0] + X[:, 1] ** 2 + random.normal(size=rows)
    y = (
        signal
        if task == "regression"
        else np.digitize(signal, np.quantile(signal, np.arange(1, len(classes)) / len(classes)))
    )
    cut = rows * 3 // 4
    return TrainData(
        X=X[:cut],
        y=y[:cut],
        X_validation=X[cut:],
        y_validation=y[cut:],
        encoding=ENCODING,
        task=task,
        classes=classes,
        seed=5,
    )


REGRESSION = data("regression")
BINARY = data("binary", ("no", "yes"))
THREE = data("multiclass", ("a", "b", "c"))


@pytest.mark.parametrize("given", [REGRESSION, BINARY, THREE], ids=["regression", "binary", "multiclass"])
def test_lightgbm_fits_the_same_again_and_stops_when_validation_rows_say_so(given: TrainData) -> None:
    one, other = BoostingFit(given)({}), BoostingFit(given)({})
    X, _ = given.held_out
    np.testing.assert_array_equal(one.score(X), other.score(X))
    assert one.rounds == other.rounds
    assert 1 <= one.rounds < 1000
    assert one.score(X).shape == ((len(X), 3) if given.task == "multiclass" else (len(X),))


def test_few_rows_are_fitted_with_leaves_neither_of_one_row_nor_of_half_of_them() -> None:
    errors = []
    for seed in range(8):
        few = data("regression", rows=80, seed=seed)
        X, y = data("regression", rows=2000, seed=100 + seed).held_out
        errors.append(np.std(BoostingFit(few)({}).score(X) - y) / np.std(y))
    assert np.mean(errors) < 0.53  # leaves of single rows leave 0.56, leaves of twenty 0.67


def test_rounds_that_are_given_are_boosted_without_looking_at_validation_rows() -> None:
    for given in (REGRESSION, THREE):
        fitted = BoostingFit(given, rounds=7)({})
        assert fitted.rounds == 7


def test_parameters_reach_lightgbm_and_do_not_leak_into_the_next_fit() -> None:
    fit = BoostingFit(REGRESSION)
    leaves = [
        fit(params).model.dump_model()["tree_info"][0]["num_leaves"]
        for params in ({"num_leaves": 4}, {}, {"num_leaves": 4})
    ]
    assert leaves[0] == leaves[2] == 4
    assert leaves[1] > 4
    assert fit({"n_estimators": 3}).rounds == 3
    assert fit({"max_bin": 7}).rounds is not None  # other bins than the ones made before
    assert fit({"min_data_in_leaf": 90}).rounds is not None


def test_parameters_that_lightgbm_refuses_are_named() -> None:
    with pytest.raises(TrainingError, match=r"LightGBM refuses.*num_leaves"):
        BoostingFit(REGRESSION)({"num_leaves": -3})


def test_losses_are_reported_so_that_a_trial_can_be_pruned() -> None:
    told: list[tuple[int, float]] = []
    BoostingFit(REGRESSION)({}, lambda step, loss: told.append((step, loss)))
    assert [step for step, _ in told][:2] == [9, 19]
    assert told[0][1] > told[1][1]


@pytest.mark.parametrize(
    ("given", "function"),
    [
        (REGRESSION, lambda data, params: LinearRegression(**params).fit(data.X, data.y)),
        (BINARY, lambda data, params: LogisticRegression(**params).fit(data.X, data.y)),
        (THREE, lambda data, params: LogisticRegression(**params).fit(data.X, data.y)),
        (
            BINARY,
            lambda data, params: lightgbm.train(
                {"objective": "binary", "verbosity": -1}, lightgbm.Dataset(data.X, data.y), 5
            ),
        ),
    ],
    ids=["regression", "binary", "multiclass", "a booster"],
)
def test_a_train_function_may_return_what_predicts(given: TrainData, function: Callable[..., Any]) -> None:
    fitted = FunctionFit(function, given)({})
    X, y = given.held_out
    scores = fitted.score(X)
    called = scores if given.task == "regression" else scores.argmax(axis=1) if scores.ndim == 2 else scores > 0.5
    assert np.corrcoef(called, y)[0, 1] > 0.6
    assert not given.watched


def test_looking_at_validation_rows_is_noticed() -> None:
    given = data("regression")
    FunctionFit(lambda data, params: LinearRegression().fit(data.X_validation, data.y_validation), given)({})
    assert given.watched


def raising(data: Any, params: Any) -> Any:
    raise KeyError("nowhere")


class Silent:
    def predict(self, X: Any) -> Any:
        return np.full(len(X), np.nan)


class Short:
    def predict(self, X: Any) -> Any:
        return np.zeros(3)


FAULTS: dict[str, tuple[Callable[..., Any], str]] = {
    "raises": (raising, r"raising raised KeyError \(test_fitting.py, line \d+: raise KeyError.*nowhere"),
    "returns nothing": (lambda data, params: None, "returned nothing"),
    "returns no model": (lambda data, params: 3, "returned a int"),
    "takes no params": (lambda data: None, "TypeError"),
    "predicts nothing finite": (lambda data, params: Silent(), "not finite"),
    "predicts too little": (lambda data, params: Short(), "Short cannot predict"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(fault: str) -> None:
    function, message = FAULTS[fault]
    with pytest.raises(TrainingError, match=message) as caught:
        FunctionFit(function, REGRESSION)({})
    assert caught.value.remedy


def test_a_classifier_that_only_calls_classes_counts_as_sure() -> None:
    fitted = FunctionFit(lambda data, params: RidgeClassifier().fit(data.X, data.y), BINARY)({})
    assert set(np.unique(fitted.score(BINARY.X))) == {0.0, 1.0}


def test_draws_from_the_process_s_generator_are_seeded() -> None:
    def noisy(data: TrainData, params: dict[str, Any]) -> Any:
        return LinearRegression().fit(data.X + np.random.normal(size=data.X.shape), data.y)

    fit: Fit = FunctionFit(noisy, REGRESSION)
    np.testing.assert_array_equal(fit({}).model.coef_, fit({}).model.coef_)
