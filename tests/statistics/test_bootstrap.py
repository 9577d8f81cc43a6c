"""Bootstrap intervals cover what they should, and respect order and clusters."""

from __future__ import annotations

from time import process_time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.statistics import bootstrap
from loopwright.statistics.bootstrap import by_blocks, by_clusters, by_rows, interval, resampled
from loopwright.statistics.metrics import METRICS_OF, prepare
from loopwright.statistics.statistic import Statistic

pytestmark = pytest.mark.filterwarnings("error")


def errors_of(values: np.ndarray[Any, Any]) -> Statistic:
    """A statistic whose value is the mean of `values`, all positive."""
    found = prepare("regression", "mae", np.zeros(len(values)), values)
    assert found is not None
    return found


def ranked_example(rows: int, seed: int = 0) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    y = rng.random(rows) < 0.3
    score = np.round(np.clip(0.5 * rng.random(rows) + 0.3 * y, 0, 1), 3)
    return y, score, np.clip(score + rng.normal(0, 0.2, rows), 0, 1)


def test_rows_drawn_one_by_one_agree_with_a_plain_bootstrap() -> None:
    values = np.random.default_rng(1).exponential(size=150)
    draws = np.random.default_rng(2).integers(0, 150, (20_000, 150))
    low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    found = interval(errors_of(values), by_rows(150, resamples=20_000))
    assert found is not None
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.05 * (high - low))


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    covered = 0
    for turn in range(300):
        found = interval(errors_of(np.abs(rng.normal(size=200))), by_rows(200, seed=turn, resamples=400))
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= np.sqrt(2 / np.pi) <= found.high
    assert 0.90 <= covered / 300 <= 0.985


def test_random_groups_of_many_rows_give_the_spread_of_rows() -> None:
    values = np.random.default_rng(4).exponential(size=50_001)
    found = resampled(errors_of(values), by_rows(len(values), resamples=2_000))
    assert found.std() == pytest.approx(values.std() / np.sqrt(len(values)), rel=0.08)


def test_blocks_are_wide_where_neighbours_are_alike() -> None:
    rng = np.random.default_rng(5)
    noise = np.zeros(5_000)
    for place in range(1, len(noise)):
        noise[place] = 0.8 * noise[place - 1] + rng.normal()
    statistic = errors_of(noise - noise.min())
    apart, blocked = (resampled(statistic, way(len(noise))).std() for way in (by_rows, by_blocks))
    assert blocked > 2 * apart
    assert blocked == pytest.approx(5 / np.sqrt(5_000), rel=0.35)  # the long-run deviation is 1 / (1 - 0.8)


@given(st.integers(1, 60), st.integers(1, 12), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_blocks_run_round_the_ring(rows: int, length: int, seed: int) -> None:
    found = by_blocks(rows, length=length, seed=seed, resamples=5)
    length = min(length, rows)
    blocks = max(1, round(rows / length))
    starts = np.random.default_rng(seed).integers(0, rows, (5, blocks))
    for counts, drawn in zip(found.counts, starts, strict=True):
        places = (drawn[:, None] + np.arange(length)).ravel() % rows
        assert counts.tolist() == np.bincount(places, minlength=rows).tolist()


def test_clusters_stay_together() -> None:
    customers = np.repeat([f"c{place}" for place in range(100)], 50)
    values = np.repeat(np.random.default_rng(6).exponential(size=100), 50)
    together = resampled(errors_of(values), by_clusters(customers))
    assert together.std() == pytest.approx(values.std() / np.sqrt(100), rel=0.1)
    found = by_clusters(customers, resamples=20)
    assert found.counts.shape == (20, 100)
    assert all(len(set(found.unit[customers == name])) == 1 for name in set(customers))


@pytest.mark.parametrize("name", ["roc_auc", "pr_auc"])
def test_influence_is_the_derivative_by_the_weights(name: str) -> None:
    y, score, _ = ranked_example(60)
    statistic = prepare("binary", name, y, np.round(score, 1))
    assert statistic is not None
    check_influence(statistic)


@pytest.mark.parametrize("name", ["roc_auc", "roc_auc_weighted"])
def test_influence_of_a_multiclass_auc(name: str) -> None:
    rng = np.random.default_rng(8)
    statistic = prepare("multiclass", name, rng.integers(0, 3, 50), rng.dirichlet(np.ones(3), 50))
    assert statistic is not None
    check_influence(statistic)


def check_influence(statistic: Statistic) -> None:
    step, rows = 1e-6, statistic.rows
    weights = np.ones((rows, rows)) + step * np.eye(rows)
    numeric = np.array([(statistic.value(row) - statistic.value()) / step * rows for row in weights])
    assert statistic.influence() == pytest.approx(numeric, abs=1e-3)
    assert statistic.influence().sum() == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("name", ["roc_auc", "pr_auc"])
def test_the_influence_stands_in_for_ranking_each_resample(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    y, score, _ = ranked_example(2_000)
    statistic = prepare("binary", name, y, score)
    assert statistic is not None
    ways = by_rows(len(y))
    exact = interval(statistic, ways)
    monkeypatch.setattr(bootstrap, "EXACT_ROWS", 0)
    quick = interval(statistic, ways)
    assert exact is not None
    assert quick is not None
    width = exact.high - exact.low
    assert (quick.low, quick.high) == pytest.approx((exact.low, exact.high), abs=0.05 * width)


def test_a_perfect_ranking_has_no_spread() -> None:
    y = np.arange(5_000) % 2
    found = interval(prepare_auc(y, y * 0.5), by_rows(5_000))
    assert found is not None
    assert (found.low, found.value, found.high) == (1, 1, 1)


def prepare_auc(y: Any, score: Any) -> Statistic:
    statistic = prepare("binary", "roc_auc", y, score)
    assert statistic is not None
    return statistic


def test_the_same_seed_draws_the_same_rows() -> None:
    for way in (by_rows, by_blocks):
        assert (way(300, seed=7).counts == way(300, seed=7).counts).all()
        assert (way(300, seed=7).counts != way(300, seed=8).counts).any()


def test_no_interval_where_most_resamples_have_no_meaning() -> None:
    y = np.zeros(3)
    y[0] = 1
    found = interval(prepare_auc(y, np.array([0.5, 0.2, 0.7])), by_rows(3, resamples=60))
    assert found
    assert found.value == 0.5
    assert (found.low, found.high) == (None, None)
    alone = interval(errors_of(np.array([2.0])), by_rows(1))
    assert alone
    assert (alone.low, alone.high) == (2, 2)


def test_what_has_no_value_has_no_interval() -> None:
    one_class = prepare_auc(np.zeros(5_000), np.linspace(0, 1, 5_000))
    assert interval(one_class, by_rows(5_000)) is None
    assert np.isnan(resampled(one_class, by_rows(5_000))).all()
    assert by_rows(0).counts.shape == by_blocks(0).counts.shape == (1_000, 0)


def test_rows_must_match() -> None:
    with pytest.raises(ValueError, match="over 2 rows, the resampling over 3"):
        resampled(errors_of(np.ones(2)), by_rows(3))


def test_all_metrics_of_many_rows_cost_less_than_a_second_each() -> None:
    y, first, _ = ranked_example(100_000)
    start = process_time()
    ways = by_blocks(100_000)
    for name in METRICS_OF["binary"]:
        statistic = prepare("binary", name, y, first)
        assert statistic is not None
        assert interval(statistic, ways) is not None
    assert process_time() - start < len(METRICS_OF["binary"])
