"""Judging a window's live quality against the test rows'."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from loopwright.evaluation.records import Estimate
from loopwright.monitoring.decay import judge_performance
from loopwright.monitoring.records import Performance
from loopwright.policies.retraining import Decay

START = datetime(2026, 1, 1, tzinfo=UTC)
REFERENCE = Estimate(value=0.90, low=0.88, high=0.92)


def window(value, wide=0.02, *, predictions=1000, outcomes=900, borrowed=0.0, metric="roc_auc"):
    return Performance(
        version=1,
        start=START,
        end=START + timedelta(days=1),
        predictions=predictions,
        outcomes=outcomes,
        corrected={metric: Estimate(value=value, low=value - wide, high=value + wide)},
        borrowed=borrowed,
    )


@pytest.mark.parametrize(("value", "passed"), [(0.95, True), (0.90, True), (0.80, True), (0.76, False), (0.5, False)])
def test_a_window_fails_where_it_is_surely_worse_by_more_than_the_margin(value, passed):
    verdict = judge_performance(Decay(margin=0.1), "roc_auc", window(value), REFERENCE)
    assert (verdict.judged, verdict.decision.passed) == (True, passed)
    assert "90% of 1,000 labels have come" in verdict.decision.because()


def test_less_is_better_for_errors():
    rmse = Estimate(value=10.0, low=9.5, high=10.5)
    better, worse = (window(value, 0.5, metric="rmse") for value in (5.0, 14.0))
    assert judge_performance(Decay(), "rmse", better, rmse).decision.passed
    assert not judge_performance(Decay(), "rmse", worse, rmse).decision.passed


def test_at_the_margin_it_is_wrong_as_often_as_it_says():
    rng = np.random.default_rng(7)
    error, margin = 0.01, 0.09
    wrong = 0
    for _ in range(4000):
        now, was = rng.normal(0.90 - margin, error), rng.normal(0.90, error)
        reference = Estimate(value=was, low=was - 1.96 * error, high=was + 1.96 * error)
        decay = Decay(margin=margin / was, confidence=0.95)
        wrong += not judge_performance(decay, "roc_auc", window(now, 1.96 * error), reference).decision.passed
    assert 0.035 < wrong / 4000 < 0.065


@pytest.mark.parametrize(
    ("found", "reference", "said"),
    [
        (window(0.5, outcomes=610), REFERENCE, "61% of 1,000 labels have come, less than 80%"),
        (window(0.5, predictions=60, outcomes=60), REFERENCE, "60 labels have come, fewer than 100"),
        (window(0.5, borrowed=0.4), REFERENCE, "none like 40% of the predictions"),
        (window(0.5), None, "no roc_auc to hold the window against"),
        (window(0.5, metric="accuracy"), REFERENCE, "no meaning"),
        (window(0.5), Estimate(value=0.9), "too few"),
        (window(0.5, predictions=0, outcomes=0), REFERENCE, "0% of 0 labels"),
    ],
)
def test_too_little_is_not_judged_and_says_what_is_missing(found, reference, said):
    verdict = judge_performance(Decay(), "roc_auc", found, reference)
    assert (verdict.judged, verdict.decision.passed) == (False, True)
    assert said in verdict.decision.because()


@pytest.mark.parametrize(("come", "judged"), [(None, False), (0.79, False), (0.8, True), (1.0, True)])
def test_a_window_of_which_no_more_labels_will_come_is_judged_by_those_that_have(come, judged):
    verdict = judge_performance(Decay(), "roc_auc", window(0.5, outcomes=300), REFERENCE, come=come)
    assert (verdict.judged, verdict.decision.passed) == (judged, not judged)
    if judged:
        assert f"30% of 1,000 labels have come, and {come:.0%} of those that ever" in verdict.decision.because()


def test_a_reference_of_zero_has_a_margin_of_nothing():
    zero = Estimate(value=0.0, low=-0.1, high=0.1)
    assert not judge_performance(Decay(), "r2", window(-0.9, 0.1, metric="r2"), zero).decision.passed
    assert judge_performance(Decay(), "r2", window(-0.05, 0.1, metric="r2"), zero).decision.passed
