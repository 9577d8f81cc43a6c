"""Metrics agree with scikit-learn, and have no value where they have no meaning."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from loopwright.policies.tasks import METRICS
from loopwright.statistics.metrics import CALIBRATION_BINS, METRICS_OF, metric, metrics, prepare

pytestmark = pytest.mark.filterwarnings("error")
CLOSE = {"rel": 1e-9, "abs": 1e-9}


@st.composite
def weighted_rows(draw: st.DrawFn) -> tuple[np.random.Generator, int, np.ndarray[Any, Any] | None]:
    """A generator, a number of rows, and weights: none, or counts of which some are zero."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows = draw(st.integers(2, 60))
    return rng, rows, draw(st.sampled_from([None, rng.integers(0, 4, rows).astype(float)]))


def probabilities(rng: np.random.Generator, shape: Any) -> np.ndarray[Any, Any]:
    """Some with many ties and exact zeros and ones, some without."""
    found = rng.random(shape)
    return np.round(found, int(rng.integers(1, 3))) if rng.random() < 0.5 else found


def sklearn_binary(name: str, y: Any, p: Any, w: Any) -> float:
    called = p >= 0.4
    return {
        "accuracy": lambda: sk.accuracy_score(y, called, sample_weight=w),
        "precision": lambda: sk.precision_score(y, called, sample_weight=w, zero_division=0),
        "recall": lambda: sk.recall_score(y, called, sample_weight=w),
        "f1": lambda: sk.f1_score(y, called, sample_weight=w),
        "roc_auc": lambda: sk.roc_auc_score(y, p, sample_weight=w),
        "pr_auc": lambda: sk.average_precision_score(y, p, sample_weight=w),
        "log_loss": lambda: sk.log_loss(y, y_proba=np.c_[1 - p, p], sample_weight=w, labels=[0, 1]),
        "brier": lambda: sk.brier_score_loss(y, p, sample_weight=w),
        "calibration_error": lambda: plain_calibration_error(y, p, w),
    }[name]()


def plain_calibration_error(y: Any, p: Any, w: Any) -> float:
    w = np.ones(len(y)) if w is None else w
    total = 0.0
    for place in range(CALIBRATION_BINS):
        last = place == CALIBRATION_BINS - 1
        inside = (p * CALIBRATION_BINS >= place) & ((p * CALIBRATION_BINS < place + 1) | last)
        if w[inside].sum():
            mean_p, mean_y = (np.average(x[inside], weights=w[inside]) for x in (p, y))
            total += abs(mean_p - mean_y) * w[inside].sum() / w.sum()
    return total


@given(weighted_rows())
@settings(max_examples=60, deadline=None)
def test_binary_metrics_agree_with_scikit_learn(drawn: Any) -> None:
    rng, rows, weights = drawn
    y, p = (rng.random(rows) < 0.4).astype(int), probabilities(rng, rows)
    counted = y if weights is None else y[weights > 0]
    found = metrics("binary", y, p, weights=weights, threshold=0.4)
    if len(set(counted)) == 2:
        assert set(found) == set(METRICS_OF["binary"])
    for name, value in found.items():
        assert value == pytest.approx(sklearn_binary(name, y, p, weights), **CLOSE), name


def sklearn_multiclass(name: str, y: Any, p: Any, w: Any) -> float:
    called, labels = p.argmax(axis=1), np.arange(p.shape[1])
    if name == "accuracy":
        return sk.accuracy_score(y, called, sample_weight=w)
    if name == "log_loss":
        return sk.log_loss(y, y_proba=p, sample_weight=w, labels=labels)
    if name.startswith("roc_auc"):
        average = "weighted" if name.endswith("weighted") else "macro"
        return sk.roc_auc_score(y, p, multi_class="ovr", average=average, sample_weight=w, labels=labels)
    figure, average = name.split("_")
    return getattr(sk, f"{figure}_score")(y, called, average=average, sample_weight=w, zero_division=0)


@given(weighted_rows(), st.integers(3, 5))
@settings(max_examples=60, deadline=None)
def test_multiclass_metrics_agree_with_scikit_learn(drawn: Any, classes: int) -> None:
    rng, rows, weights = drawn
    y, p = rng.integers(0, classes, rows), rng.dirichlet(np.ones(classes), rows)
    counted = slice(None) if weights is None else weights > 0
    y, p, weights = y[counted], p[counted], None if weights is None else weights[counted]
    found = metrics("multiclass", y, p, weights=weights)
    everyone = len(set(y)) == classes
    for name, value in found.items():
        if everyone or not name.startswith("roc_auc"):
            assert value == pytest.approx(sklearn_multiclass(name, y, p, weights), **CLOSE), name


@given(weighted_rows(), st.floats(-1e4, 1e4), st.floats(1e-3, 1e4))
@settings(max_examples=60, deadline=None)
def test_regression_metrics_agree_with_scikit_learn(drawn: Any, offset: float, scale: float) -> None:
    rng, rows, weights = drawn
    y = offset + scale * rng.normal(size=rows)
    p = y + scale * rng.normal(size=rows)
    if weights is not None and np.count_nonzero(weights) < 2:
        weights = None
    found = metrics("regression", y, p, weights=weights)
    expected = {
        "rmse": sk.root_mean_squared_error(y, p, sample_weight=weights),
        "mae": sk.mean_absolute_error(y, p, sample_weight=weights),
        "r2": sk.r2_score(y, p, sample_weight=weights),
        "mape": sk.mean_absolute_percentage_error(y, p, sample_weight=weights),
        "wape": np.average(abs(y - p), weights=weights) / np.average(abs(y), weights=weights),
        "smape": np.average(2 * abs(y - p) / (abs(y) + abs(p)), weights=weights),
    }
    assert set(expected) - set(found) <= {"mape"}
    for name, value in found.items():
        assert value == pytest.approx(expected[name], rel=1e-7 if name == "r2" else 1e-9, abs=1e-9), name


@given(weighted_rows(), st.sampled_from([(task, name) for task, names in METRICS_OF.items() for name in names]))
@settings(max_examples=80, deadline=None)
def test_a_weight_counts_rows_as_repeating_them_does(drawn: Any, which: Any) -> None:
    rng, rows, _ = drawn
    task, name = which
    y = rng.integers(0, 3, rows) if task == "multiclass" else (rng.random(rows) < 0.5).astype(float)
    p = rng.dirichlet(np.ones(3), rows) if task == "multiclass" else probabilities(rng, rows)
    weights = np.concatenate([[1], rng.integers(0, 4, rows - 1)])
    again = np.repeat(np.arange(rows), weights)
    bound = prepare(task, name, y, p)
    repeated = metric(task, name, y[again], p[again])
    if bound is not None:
        value = bound.value(weights.astype(float))
        assert (value == pytest.approx(repeated, **CLOSE)) if repeated is not None else not np.isfinite(value)


def test_every_metric_that_a_gate_can_name_is_there() -> None:
    for name, (tasks, _) in METRICS.items():
        assert all(name in METRICS_OF[task] for task in tasks)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_no_rows_and_no_weight_have_no_metrics(task: Any) -> None:
    shape = (3, 4) if task == "multiclass" else (3,)
    assert metrics(task, np.zeros(0), np.zeros((0, *shape[1:]))) == {}
    assert metrics(task, np.array([0, 1, 1]), np.full(shape, 0.25), weights=np.zeros(3)) == {}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_figures_that_are_not_finite_have_no_metrics(bad: float) -> None:
    good = np.array([0.0, 1.0, 1.0])
    broken = np.array([0.5, bad, 0.5])
    for task in ("binary", "regression"):
        assert metrics(task, good, broken) == {}
        assert metrics(task, broken, good) == {}


def test_one_class_only() -> None:
    negatives = metrics("binary", np.zeros(4), np.array([0.1, 0.2, 0.6, 0.4]))
    assert set(negatives) == {"accuracy", "precision", "log_loss", "brier", "calibration_error"}
    assert negatives["precision"] == 0
    positives = metrics("binary", np.ones(4), np.array([0.1, 0.2, 0.6, 0.4]))
    assert set(METRICS_OF["binary"]) - set(positives) == {"roc_auc"}
    assert positives["pr_auc"] == 1


def test_calling_nothing_positive_earns_no_precision() -> None:
    found = metrics("binary", np.array([0, 1, 1]), np.full(3, 0.1))
    assert (found["precision"], found["recall"], found["f1"]) == (0, 0, 0)


def test_scores_that_are_no_probabilities_rank_but_have_no_losses() -> None:
    found = metrics("binary", np.array([0, 1, 0, 1]), np.array([-3.0, 2.0, 0.1, 0.0]))
    assert found["roc_auc"] == 0.75
    assert not {"log_loss", "brier", "calibration_error"} & set(found)
    found = metrics("multiclass", np.array([0, 1, 2]), 3 * np.eye(3))
    assert set(METRICS_OF["multiclass"]) - set(found) == {"log_loss"}
    assert found["roc_auc"] == found["accuracy"] == 1


def test_constant_targets_have_no_r2() -> None:
    found = metrics("regression", np.full(5, 7.1), np.arange(5.0))
    assert "r2" not in found
    assert found["mae"] == pytest.approx(np.abs(7.1 - np.arange(5)).mean())
    varied = np.array([7.1, 7.1, 9.0])
    assert metric("regression", "r2", varied, np.arange(3.0), weights=np.array([2, 1, 0])) is None


def test_targets_of_zero() -> None:
    found = metrics("regression", np.zeros(3), np.array([0.0, 0.0, 3.0]))
    assert set(found) == {"rmse", "mae", "smape"}
    assert found["smape"] == pytest.approx(2 / 3)


def test_a_target_near_zero_has_no_mape() -> None:
    assert metric("regression", "mape", np.array([1e-9, 5.0, 5.0]), np.ones(3)) is None
    assert metric("regression", "mape", np.array([2.0, 5.0, 5.0]), np.ones(3)) == pytest.approx(0.7)


def test_a_multiclass_auc_goes_over_the_classes_present() -> None:
    y, p = np.array([0, 1, 0, 1]), np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.3, 0.4, 0.3], [0.1, 0.2, 0.7]])
    expected = np.mean([sk.roc_auc_score(y == place, p[:, place]) for place in (0, 1)])
    assert metric("multiclass", "roc_auc", y, p) == pytest.approx(expected)
    assert metric("multiclass", "roc_auc", np.zeros(4), p) is None


def test_rows_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="3 targets, but 2 predictions"):
        metric("regression", "mae", np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match="places from 0 to 3 of 3 classes"):
        metric("multiclass", "accuracy", np.array([0, 3]), np.full((2, 3), 1 / 3))


def test_nothing_warns_on_extreme_probabilities() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = metrics("binary", np.array([0, 1, 1, 0]), np.array([0.0, 1.0, 0.0, 1.0]))
    assert found["log_loss"] == pytest.approx(-0.5 * np.log(np.finfo(float).eps))
