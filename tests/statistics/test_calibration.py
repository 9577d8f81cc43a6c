"""Calibrations, held against scikit-learn, and what they lead to expect."""

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from loopwright.statistics.calibration import fit_isotonic, fit_logistic
from loopwright.statistics.expected import Calibration, calibrate, expected_metric, expected_metrics
from loopwright.statistics.metrics import metric


def overconfident(rows=4000, seed=1):
    """Scores further from a half than they should be."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(2, 3, rows)
    odds = 2.5 * np.log(chance / (1 - chance)) + 0.7
    return 1 / (1 + np.exp(-odds)), (rng.random(rows) < chance).astype(float), chance


def test_logistic_calibration_is_that_of_scikit_learn_with_much_data():
    score, truth, _ = overconfident()
    odds = np.log(score / (1 - score))[:, None]
    known = LogisticRegression(C=1e9, tol=1e-10).fit(odds, truth)
    found = fit_logistic(score, truth)
    assert (found.slope, found.shift) == pytest.approx((known.coef_[0, 0], known.intercept_[0]), abs=5e-3)


def test_isotonic_calibration_is_that_of_scikit_learn_up_to_its_blocks():
    score, truth, chance = overconfident()
    known = IsotonicRegression(out_of_bounds="clip").fit(score, truth).predict(score)
    found = fit_isotonic(score, truth).probability(score)
    assert np.abs(found - known).mean() < 0.02
    assert np.abs(found - chance).mean() < 0.03
    assert (np.diff(found[np.argsort(score)]) >= -1e-12).all()


@pytest.mark.parametrize("fit", [fit_logistic, fit_isotonic])
def test_weights_count_rows(fit):
    score, truth, _ = overconfident(300)
    weights = np.random.default_rng(0).integers(0, 3, 300).astype(float)
    places = np.repeat(np.arange(300), weights.astype(int))
    asked = np.linspace(0.01, 0.99, 50)
    apart = np.abs(fit(score, truth, weights).probability(asked) - fit(score[places], truth[places]).probability(asked))
    assert apart.max() < (1e-6 if fit is fit_logistic else 0.15)


@pytest.mark.parametrize("fit", [fit_logistic, fit_isotonic])
@pytest.mark.parametrize(
    ("score", "truth"),
    [([], []), ([0.0, 1.0, 0.5], [0, 0, 0]), ([0.2, 0.2], [0, 1]), ([0.1, 0.9] * 50, [0, 1] * 50), ([1.0], [1])],
)
def test_edges_give_probabilities(fit, score, truth):
    found = fit(np.array(score), np.array(truth, dtype=float)).probability(np.array([0.0, 0.2, 0.5, 1.0]))
    assert np.isfinite(found).all()
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize("name", ["roc_auc", "accuracy", "f1", "log_loss", "brier"])
def test_expected_figures_come_true_under_covariate_shift(name):
    """The hard cases become common: the estimate follows, and the old figure does not."""
    score, truth, chance = overconfident(40_000)
    tested = np.arange(40_000) < 20_000
    hard = ~tested & (np.random.default_rng(2).random(40_000) < np.exp(-20 * (chance - 0.5) ** 2))
    chances = calibrate(score[tested], truth[tested]).chances(score[hard])
    estimated = expected_metric("binary", name, score[hard], chances)
    came, was = (metric("binary", name, truth[rows], score[rows]) for rows in (hard, tested))
    assert abs(estimated - came) < 0.35 * abs(was - came)


def test_several_classes_are_calibrated_each_against_the_rest():
    rng = np.random.default_rng(4)
    chances = rng.dirichlet([1, 1, 1], 12_000)
    truth = (rng.random(12_000)[:, None] > chances.cumsum(axis=1)).sum(axis=1)
    sharpened = chances**2 / (chances**2).sum(axis=1, keepdims=True)
    tested = np.arange(12_000) < 6_000
    found = calibrate(sharpened[tested], truth[tested]).chances(sharpened[~tested])
    np.testing.assert_allclose(found.sum(axis=1), 1)
    estimated = expected_metrics("multiclass", sharpened[~tested], found)
    for name in ("accuracy", "roc_auc", "log_loss", "f1_macro"):
        came = metric("multiclass", name, truth[~tested], sharpened[~tested])
        assert estimated[name] == pytest.approx(came, abs=0.04)


def test_probabilities_of_nothing_are_even():
    chances = Calibration(classes=(fit_isotonic(np.array([0.1, 0.9]), np.array([0.0, 0.0])),) * 3).chances(
        np.array([[0.2, 0.3, 0.5]])
    )
    np.testing.assert_allclose(chances, 1 / 3)


def test_no_rows_have_no_figure():
    assert expected_metric("binary", "accuracy", np.empty(0), np.empty((0, 2))) is None
