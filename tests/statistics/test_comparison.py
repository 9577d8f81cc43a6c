"""Tests of two samples agree with SciPy, keep their level, and have nothing to say about nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from loopwright.statistics.comparison import (
    alike,
    chi_squared,
    holm,
    ks_counts,
    ks_values,
    overdispersion,
    rank_sum,
    two_proportions,
    unusual_count,
    wilson,
)
from loopwright.statistics.histogram import count_into, edges_from

pytestmark = pytest.mark.filterwarnings("error")
seeds = st.integers(0, 2**32 - 1)
p_lists = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(seeds, st.integers(25, 200), st.integers(25, 200), st.floats(0, 1), st.booleans())
@settings(max_examples=60, deadline=None)
def test_ks_agrees_with_scipy(seed: int, n: int, m: int, shift: float, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=n), rng.normal(shift, size=m)
    if ties:
        a, b = np.round(a, 1), np.round(b, 1)
    found, expected = ks_values(a, b), stats.ks_2samp(a, b, method="exact")
    assert found is not None
    assert found.statistic == pytest.approx(expected.statistic, abs=1e-12)
    if not ties:
        assert found.p_value == pytest.approx(expected.pvalue, abs=0.02 if expected.pvalue < 0.1 else 0.07)


def test_ks_keeps_its_level_and_finds_a_shift() -> None:
    rng = np.random.default_rng(0)
    level = [ks_values(rng.normal(size=300), rng.normal(size=400)).p_value < 0.05 for _ in range(400)]  # type: ignore[union-attr]
    assert 0.02 <= np.mean(level) <= 0.085
    found = ks_values(rng.normal(size=2_000), rng.normal(0.2, size=2_000))
    assert found
    assert found.p_value < 1e-4


def test_ks_of_counts_is_that_of_values_seen_through_the_bins() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=3_000), rng.normal(0.1, 1.1, size=2_000)
    edges = edges_from(a, 200)
    binned = ks_counts(count_into(edges, a).counts, count_into(edges, b).counts)
    exact = ks_values(a, b)
    assert binned
    assert exact
    assert exact.statistic - 0.01 <= binned.statistic <= exact.statistic
    assert binned.p_value == pytest.approx(exact.p_value, rel=0.3)


@pytest.mark.parametrize(("rows", "window"), [(5_000, 200), (1_000, 1_000), (300, 5_000)])
def test_ks_of_counts_in_few_bins_keeps_its_level(rows: int, window: int) -> None:
    """Also far out, where Holm's correction of many columns looks; 20 bins of equal mass of the first sample."""
    rng = np.random.default_rng(rows)
    found = []
    for _ in range(3_000):
        spacings = rng.gamma(np.append(np.full(20, rows / 20), 1.0))
        shares = np.append(spacings[:19], spacings[19:].sum()) / spacings.sum()
        tested = ks_counts(np.full(20, rows // 20), rng.multinomial(window, shares))
        assert tested
        found.append(tested.p_value)
    for level in (0.1, 0.01, 0.001):
        expected = 3_000 * level
        assert np.sum(np.array(found) <= level) <= expected + 4 * np.sqrt(expected)
    assert np.sum(np.array(found) <= 0.1) >= 0.07 * 3_000


def test_ks_of_two_bins_is_a_test_of_two_shares() -> None:
    found, expected = ks_counts([400, 600], [480, 520]), two_proportions(400, 1_000, 480, 1_000)
    assert found
    assert expected
    assert found.p_value == pytest.approx(expected.p_value, rel=0.15)


@given(seeds, st.integers(2, 60), st.integers(2, 60), st.booleans())
@settings(max_examples=40, deadline=None)
def test_rank_sums_agree_with_scipy(seed: int, n: int, m: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0.3, size=n), rng.normal(size=m)
    if ties:
        a, b = np.round(a), np.round(b)
    found = rank_sum(a, b)
    expected = stats.mannwhitneyu(a, b, alternative="greater", method="asymptotic", use_continuity=False)
    assert found is not None
    area, tested = found
    assert area == pytest.approx(expected.statistic / (n * m))
    if len(np.unique([*a, *b])) > 1:
        assert tested.p_value == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-12)
    else:
        assert tested.p_value == 0.5


def test_there_is_no_rank_sum_of_nothing() -> None:
    assert rank_sum([], [1.0]) is None


def test_overdispersion_is_one_for_chance_and_what_clusters_make_of_it() -> None:
    rng = np.random.default_rng(3)
    chance = [overdispersion(rng.multinomial(1_000, np.full(10, 0.1), size=6)) for _ in range(200)]
    assert 1.0 <= np.mean(chance) < 1.2
    fives = [overdispersion(5 * rng.multinomial(200, np.full(10, 0.1), size=6)) for _ in range(200)]
    assert np.mean(fives) == pytest.approx(5, rel=0.1)
    assert overdispersion(np.zeros((3, 4))) == overdispersion(np.array([[5, 5]])) == 1.0


@pytest.mark.parametrize(
    ("samples", "rows", "categories"), [(10, 200, 2), (10, 200, 20), (200, 5, 20), (20, 200, 50), (500, 30, 3)]
)
def test_samples_of_one_population_are_alike_as_often_as_stated_and_clusters_are_not(
    samples: int, rows: int, categories: int
) -> None:
    rng = np.random.default_rng(6)
    shares = 1 / np.arange(1, categories + 1)
    sizes = rng.integers(rows // 2, rows * 2, size=samples)
    p_values = []
    for _ in range(400):
        tested = alike([rng.multinomial(size, shares / shares.sum()) for size in sizes])
        assert tested
        p_values.append(tested.p_value)
    for alpha in (0.01, 0.05):
        assert np.mean(np.array(p_values) < alpha) < alpha + 3 * (alpha * (1 - alpha) / 400) ** 0.5
    assert np.mean(np.array(p_values) < 0.2) > 0.05
    clusters = [10 * rng.multinomial(max(1, size // 10), shares / shares.sum()) for size in sizes]
    assert alike(clusters).p_value < 0.01


def test_what_is_common_to_all_is_told_as_pearson_tells_it_and_nothing_is_not_told_at_all() -> None:
    counts = np.array([[5_000, 3_000, 2_000], [5_100, 2_900, 2_100], [4_900, 3_050, 1_950]])
    known = stats.chi2_contingency(counts, correction=False)
    found = alike(counts)
    assert found
    assert (found.statistic, found.p_value) == (pytest.approx(known.statistic), pytest.approx(known.pvalue, rel=1e-3))
    assert alike([[5, 5]]) is alike([[5, 0], [3, 0]]) is alike(np.zeros((3, 4))) is None


@pytest.mark.parametrize("categories", [2, 12])
def test_samples_of_one_each_all_of_them_different_say_nothing(categories: int) -> None:
    assert alike(np.eye(categories)) is None


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_a_count_among_usual_ones_is_seldom_unusual_also_where_they_burst(spread: float) -> None:
    rng = np.random.default_rng(4)
    hits = []
    for _ in range(2_000):
        counts = rng.poisson(200 * rng.lognormal(0, spread, size=6)) if spread else rng.poisson(200, size=6)
        tested = unusual_count(int(counts[0]), counts[1:])
        assert tested
        hits.append(tested.p_value < 0.05)
    assert 0.001 < np.mean(hits) < 0.075


def test_silence_and_floods_are_unusual_and_two_counts_are_needed() -> None:
    for count in (0, 5_000):
        tested = unusual_count(count, [900, 1_000, 1_100, 1_050])
        assert tested
        assert tested.p_value < 0.001
    assert unusual_count(5, [5]) is None
    assert unusual_count(0, [0, 0, 0]).p_value == 1.0  # type: ignore[union-attr]


def test_ks_leaves_nan_out_and_ranks_infinities() -> None:
    found = ks_values(np.array([np.nan, 1, 2, np.inf]), np.array([1, 2, 3, -np.inf]))
    assert found
    assert found.statistic == pytest.approx(stats.ks_2samp([1, 2, 9], [1, 2, 3, -9]).statistic)


@given(seeds, st.integers(2, 40))
@settings(max_examples=60, deadline=None)
def test_chi_squared_agrees_with_scipy(seed: int, categories: int) -> None:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(categories))
    a, b = rng.multinomial(int(rng.integers(1, 2_000)), shares), rng.multinomial(int(rng.integers(1, 2_000)), shares)
    found = chi_squared(a, b, pool_below=0)
    seen = (a + b) > 0
    assert found
    if seen.sum() > 1:
        expected = stats.chi2_contingency(np.stack([a, b])[:, seen], correction=False)
        assert found.statistic == pytest.approx(expected.statistic, rel=1e-9, abs=1e-9)
        assert found.p_value == pytest.approx(expected.pvalue, rel=1e-9, abs=1e-12)


def test_chi_squared_pools_what_is_rare_and_keeps_its_level() -> None:
    rng = np.random.default_rng(2)
    shares = np.r_[0.6, 0.3, np.full(200, 0.1 / 200)]
    alarms = [
        chi_squared(rng.multinomial(20_000, shares), rng.multinomial(300, shares)).p_value < 0.05  # type: ignore[union-attr]
        for _ in range(400)
    ]
    assert 0.02 <= np.mean(alarms) <= 0.085
    pooled = chi_squared([50, 40, 1, 2], [40, 50, 2, 1])
    plain = chi_squared([50, 40, 3], [40, 50, 3], pool_below=0)
    assert pooled == plain


def test_one_category_tells_nothing_apart() -> None:
    found = chi_squared([10, 0], [7, 0])
    assert found
    assert (found.statistic, found.p_value) == (0, 1)


@given(st.integers(1, 500), st.integers(1, 500), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_two_proportions_agree_with_the_chi_squared_test(n: int, m: int, share_a: float, share_b: float) -> None:
    hits = round(n * share_a), round(m * share_b)
    found = two_proportions(hits[0], n, hits[1], m)
    assert found
    if 0 < sum(hits) < n + m:
        table = [[hits[0], n - hits[0]], [hits[1], m - hits[1]]]
        expected = stats.chi2_contingency(table, correction=False)
        assert found.statistic**2 == pytest.approx(expected.statistic, rel=1e-7, abs=1e-9)
        assert found.p_value == pytest.approx(expected.pvalue, rel=1e-7, abs=1e-12)
    more, less = (two_proportions(hits[0], n, hits[1], m, alternative=side) for side in ("more", "less"))  # type: ignore[arg-type]
    assert more
    assert less
    assert more.p_value + less.p_value == pytest.approx(1)
    assert (more.p_value < less.p_value) == (hits[0] / n > hits[1] / m) or more.p_value == less.p_value


def test_equal_certainties_are_equal() -> None:
    found = two_proportions(5, 5, 9, 9)
    assert found
    assert (found.statistic, found.p_value) == (0, 1)


@given(st.integers(1, 400), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
@settings(max_examples=60, deadline=None)
def test_wilson_agrees_with_scipy(rows: int, share: float, confidence: float) -> None:
    hits = round(rows * share)
    expected = stats.binomtest(hits, rows).proportion_ci(confidence, method="wilson")
    assert wilson(hits, rows, confidence=confidence) == pytest.approx((expected.low, expected.high), abs=1e-9)


@given(p_lists, st.floats(0.001, 0.3))
@settings(max_examples=60, deadline=None)
def test_holm_rejects_what_stepping_down_rejects(p: Any, alpha: float) -> None:
    adjusted = holm(p)
    rejected = set()
    for step, place in enumerate(np.argsort(p, kind="stable")):
        if p[place] * (len(p) - step) > alpha:
            break
        rejected.add(int(place))
    assert set(np.flatnonzero(adjusted <= alpha).tolist()) == rejected
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= 1).all()


def test_nothing_is_compared_with_nothing() -> None:
    assert ks_values(np.array([]), np.array([1.0])) is None
    assert ks_values(np.array([np.nan]), np.array([1.0])) is None
    assert ks_counts([0, 0], [1, 2]) is None
    assert chi_squared([0, 0], [1, 2]) is None
    assert chi_squared([], []) is None
    assert two_proportions(0, 0, 1, 2) is None
    assert wilson(0, 0) == (0, 1)
    assert len(holm([])) == 0


def test_counts_of_different_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="2 and 3 bins"):
        ks_counts([1, 2], [1, 2, 3])
