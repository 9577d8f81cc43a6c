"""Quality without labels, from what an evaluation left."""

from __future__ import annotations

from datetime import UTC, datetime
from math import sqrt

import numpy as np
import polars as pl
import pytest

from loopwright.bundle.records import Input
from loopwright.core.codec import to_json
from loopwright.errors import BundleError
from loopwright.evaluation.estimator import fit_loss_model, keep_scores
from loopwright.evaluation.records import EvaluationReport
from loopwright.monitoring import estimates
from loopwright.statistics.metrics import metric
from tests.manifests import draft_manifest


def manifest(task):
    return draft_manifest(task, datetime(2026, 1, 1, tzinfo=UTC))


def evaluation(task, **kept):
    return EvaluationReport(
        candidate="c",
        champion=None,
        task=task,
        metric="",
        rows=0,
        metrics={},
        comparisons=(),
        slices=(),
        latency_ms=1.0,
        size_mb=1.0,
        reference="",
        **kept,
    )


@pytest.fixture
def estimate(storage):
    def made(task, scores, truth, now, rows=None, deciding="accuracy"):
        report = evaluation(task, scores=keep_scores(storage, "scores.parquet", scores, truth, 0))
        estimator = estimates.estimator_of(storage, manifest(task), report, estimates.tested_rows(storage, report))
        return None if estimator is None else estimator.estimate(rows, now, deciding)

    return made


@pytest.mark.parametrize("rows", [900, 6000])
def test_two_classes_are_estimated_with_bounds_that_hold_what_comes(estimate, rows):
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(6):
        chance = rng.beta(2, 2, rows)
        truth = (rng.random(rows) < chance).astype(float)
        later = rng.beta(1, 1, 2000)
        came = metric("binary", "accuracy", (rng.random(2000) < later).astype(float), later)
        found = estimate("binary", chance, truth, later)["accuracy"]
        held += found.low <= came <= found.high
        assert found.low < found.value < found.high
    assert held >= 4


def test_several_classes_are_estimated(estimate):
    rng = np.random.default_rng(2)
    chances = rng.dirichlet([1, 1, 1], 5000)
    truth = (rng.random(5000)[:, None] > chances.cumsum(axis=1)).sum(axis=1).astype(float)
    found = estimate("multiclass", chances[:3000], truth[:3000], chances[3000:])
    came = metric("multiclass", "accuracy", truth[3000:], chances[3000:])
    assert found["accuracy"].low <= came <= found["accuracy"].high
    assert found["roc_auc"].low is None


def test_numbers_are_estimated_by_where_the_error_is_great(storage):
    rng = np.random.default_rng(3)

    def rows(count, hard):
        city = rng.choice(["easy", "hard"], count, p=[1 - hard, hard])
        noise = np.where(city == "hard", 4.0, 1.0) * rng.normal(size=count)
        return pl.DataFrame({"city": city}), noise

    tested, noise = rows(4000, 0.2)
    model = fit_loss_model([Input(name="city", kind="text")], tested, np.zeros(4000), noise, seed=1)
    storage.put("losses.json", to_json(model))
    scores = keep_scores(storage, "scores.parquet", np.zeros(4000), noise, 0)
    report = evaluation("regression", scores=scores, loss_model="losses.json")
    estimator = estimates.estimator_of(storage, manifest("regression"), report, estimates.tested_rows(storage, report))
    later, came = rows(3000, 0.8)
    found = estimator.estimate(later.rename({"city": "input.city"}), np.zeros(3000), "rmse")
    assert found["mae"].value == pytest.approx(np.abs(came).mean(), rel=0.08)
    assert found["rmse"].value == pytest.approx(sqrt((came**2).mean()), rel=0.08)
    assert found["rmse"].low < found["rmse"].value < found["rmse"].high
    assert estimator.estimate(pl.DataFrame(), np.zeros(3000), "rmse")["mae"].value > 0
    assert np.abs(noise).mean() < 0.6 * np.abs(came).mean()


def test_too_few_test_rows_estimate_nothing(estimate):
    assert estimate("binary", np.linspace(0, 1, 100), np.ones(100), np.linspace(0, 1, 50)) is None


def test_one_class_among_the_test_rows_and_one_row_are_no_error(estimate):
    found = estimate("binary", np.linspace(0, 1, 500), np.zeros(500), np.array([0.4]))
    assert found["accuracy"].value == pytest.approx(1.0, abs=0.05)


def test_what_was_not_kept_or_is_gone_estimates_nothing(storage):
    assert estimates.tested_rows(storage, None) is None
    assert estimates.tested_rows(storage, evaluation("binary")) is None
    gone = evaluation("binary", scores="collected.parquet")
    assert estimates.estimator_of(storage, manifest("binary"), gone, estimates.tested_rows(storage, gone)) is None


def test_a_damaged_evaluation_is_named(storage):
    assert estimates.evaluation_of(storage, "bundles/none") is None
    storage.put("bundles/bad/evaluation.json", b"{")
    with pytest.raises(BundleError, match=r"bundles/bad/evaluation\.json is no evaluation"):
        estimates.evaluation_of(storage, "bundles/bad")
