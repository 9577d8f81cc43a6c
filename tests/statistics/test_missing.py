"""Figures of all rows from the known ones."""

import numpy as np
import pytest

from loopwright.statistics.bootstrap import by_rows
from loopwright.statistics.metrics import metric, prepare
from loopwright.statistics.missing import reweighted, stratify


def fraud(rows=6000, seed=1):
    """Labels come fast for high scores: of the top tenth nearly all are known, of the rest one in five."""
    rng = np.random.default_rng(seed)
    score = rng.beta(0.6, 3, rows)
    truth = (rng.random(rows) < score**1.3).astype(float)
    known = rng.random(rows) < np.where(score > np.quantile(score, 0.9), 0.95, 0.2)
    return score, truth, known


@pytest.mark.parametrize(("name", "nearer"), [("accuracy", 0.3), ("roc_auc", 0.9), ("log_loss", 0.3)])
def test_the_corrected_figure_is_nearer_to_the_whole_than_the_plain_one_and_its_interval_holds_it(name, nearer):
    plain, corrected, held = [], [], 0
    for seed in range(20):
        score, truth, known = fraud(seed=seed)
        whole = metric("binary", name, truth, score)
        of_known = prepare("binary", name, truth[known], score[known])
        found = reweighted(of_known, stratify(score, known), known, by_rows(len(score), seed=seed))
        plain.append(abs(of_known.value() - whole))
        corrected.append(abs(found.value - whole))
        held += found.low <= whole <= found.high
    assert np.mean(corrected) < nearer * np.mean(plain)
    assert held >= 18


def test_with_every_row_known_the_figure_is_the_plain_one():
    score, truth, _ = fraud(800)
    known = np.ones(800, dtype=bool)
    statistic = prepare("binary", "accuracy", truth, score)
    found = reweighted(statistic, stratify(score, known), known, by_rows(800))
    assert found.value == pytest.approx(statistic.value())


def test_the_interval_of_sums_is_that_of_rows_weighed_one_by_one():
    score, truth, known = fraud(700)
    strata, draws = stratify(score, known), by_rows(700, seed=2, resamples=60)
    statistic = prepare("binary", "accuracy", truth[known], score[known])
    found = reweighted(statistic, strata, known, draws)
    slowly = [statistic.value(strata.weights(known, count[draws.unit])) for count in draws.counts]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slowly, [0.025, 0.975])))


def test_many_rows_of_a_figure_of_ranks_are_drawn_in_part_and_the_spread_is_that_of_all():
    score, truth, known = fraud(60_000)
    known |= np.random.default_rng(0).random(60_000) < 0.6
    statistic = prepare("binary", "roc_auc", truth[known], score[known])
    found = reweighted(statistic, stratify(score, known), known, by_rows(60_000))
    few = prepare("binary", "roc_auc", truth[:3000][known[:3000]], score[:3000][known[:3000]])
    narrow = reweighted(few, stratify(score[:3000], known[:3000]), known[:3000], by_rows(3000))
    assert found.high - found.low == pytest.approx((narrow.high - narrow.low) / np.sqrt(20), rel=0.35)


def test_tenths_with_too_few_known_rows_go_with_their_neighbours_and_are_counted():
    score = np.linspace(0, 1, 1000)
    known = score > 0.45
    strata = stratify(score, known)
    assert strata.borrowed == pytest.approx(0.4, abs=0.01)
    assert set(np.bincount(strata.place[known], minlength=strata.count) >= 5) == {True}
    assert strata.weights(known).sum() == pytest.approx(1000)


def test_known_rows_in_the_lowest_tenth_only_make_one_stratum():
    score = np.linspace(0, 1, 1000)
    strata = stratify(score, score < 0.05)
    assert (strata.count, set(strata.place)) == (1, {0})


@pytest.mark.parametrize("rows", [0, 4])
def test_too_few_known_rows_say_nothing_of_the_others(rows):
    known = np.arange(50) < rows
    assert stratify(np.arange(50.0), known) is None


def test_constant_scores_are_one_stratum():
    assert stratify(np.full(100, 0.3), np.arange(100) < 30).count == 1


def test_one_class_has_no_ranking():
    score, known = np.linspace(0, 1, 100), np.arange(100) % 2 == 0
    statistic = prepare("binary", "roc_auc", np.ones(50), score[known])
    assert reweighted(statistic, stratify(score, known), known, by_rows(100)) is None
