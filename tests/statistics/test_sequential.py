"""Tests that may be looked at at any time: their level, their power, their agreement with SciPy, and their edges."""

from __future__ import annotations

from math import exp, inf, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, betabinom, hypergeom

from loopwright.statistics.sequential import (
    LEAST,
    blocks,
    different,
    log_mean,
    mean_difference_sequence,
    more_often,
    share_sequence,
    split_is,
    subset_p,
)

counts = st.integers(1, 30)


def evidence(random: np.random.Generator, requests: int, weight: float, bad_a: float, bad_b: float) -> tuple:
    """Requests one by one: after which of them there was evidence, and what it was."""
    ours = random.random(requests) < weight
    hit = random.random(requests) < np.where(ours, bad_a, bad_b)
    cuts = blocks(ours, ~ours)
    a, b, hits_a, hits_b = (
        np.diff(np.cumsum(one)[cuts - 1], prepend=0) for one in (ours, ~ours, hit & ours, hit & ~ours)
    )
    return cuts, more_often(hits_a, a, hits_b, b)


@given(counts, counts, st.data())
@settings(max_examples=40, deadline=None)
def test_a_blocks_evidence_is_worth_at_most_one_where_the_groups_are_alike(
    n_a: int, n_b: int, data: st.DataObject
) -> None:
    hits = data.draw(st.integers(0, n_a + n_b))
    law = hypergeom(n_a + n_b, n_a, hits)
    k = np.arange(max(0, hits - n_b), min(n_a, hits) + 1)
    found = more_often(k[:, None], [[n_a]], hits - k[:, None], [[n_b]])[:, -1]
    assert float(law.pmf(k) @ np.exp(found)) <= 1 + 1e-9


@given(st.integers(0, 30), st.integers(0, 30), st.floats(0.05, 0.95))
@settings(max_examples=40, deadline=None)
def test_a_splits_evidence_is_scipys_likelihood_ratio(a: int, b: int, share: float) -> None:
    mixed = betabinom(a + b, 100 * share, 100 * (1 - share)).logpmf(a)
    from_binomial = mixed - (beta_free_binomial(a, b, share))
    assert split_is(a, b, share) == pytest.approx(from_binomial, abs=1e-6)


def beta_free_binomial(a: int, b: int, share: float) -> float:
    from scipy.stats import binom

    return float(binom(a + b, share).logpmf(a))


def test_looking_after_every_request_ends_few_equal_pairs() -> None:
    random = np.random.default_rng(1)
    ended = sum(bool((evidence(random, 5000, 0.5, 0.02, 0.02)[1] >= log(100)).any()) for _ in range(300))
    assert ended <= 6  # 1 % is 3; the seed is fixed


def test_three_percent_against_one_is_found_within_twice_a_fixed_tests_sample() -> None:
    random = np.random.default_rng(2)
    found = []
    for _ in range(60):
        cuts, logs = evidence(random, 8000, 0.5, 0.03, 0.01)
        over = np.flatnonzero(logs >= log(100))
        found.append(cuts[over[0]] if len(over) else inf)
    assert np.median(found) < 2 * 1957


def test_blocks_hold_enough_of_both_and_follow_each_other() -> None:
    ours = np.random.default_rng(3).random(3000) < 0.1
    cuts = blocks(ours, ~ours)
    for start, end in zip([0, *cuts[:-1]], cuts, strict=True):
        assert min(ours[start:end].sum(), (~ours[start:end]).sum()) >= LEAST
    assert len(blocks([], [])) == len(blocks([5, 5], [0, 0])) == 0
    assert blocks([1e9], [1e9]).tolist() == [1]


@given(st.integers(0, 200), st.integers(0, 200), st.sampled_from([0.001, 0.05]))
@settings(max_examples=40, deadline=None)
def test_a_sequence_of_intervals_holds_the_share_seen_and_is_wider_than_the_fixed_one(
    a: int, b: int, alpha: float
) -> None:
    low, high = share_sequence(a, a + b, alpha)
    if a + b == 0:
        assert (low, high) == (0, 1)
        return
    assert low <= a / (a + b) <= high
    fixed = beta.ppf(alpha / 2, a, b + 1) if a else 0.0
    assert low <= fixed + 0.01


def test_a_true_share_leaves_its_sequence_seldom() -> None:
    random = np.random.default_rng(4)
    left = 0
    for _ in range(200):
        hits = np.cumsum(random.random(2000) < 0.03)
        looks = [20, 50, 100, 200, 500, 1000, 2000]
        left += any(not low <= 0.03 <= high for low, high in (share_sequence(int(hits[n - 1]), n, 0.05) for n in looks))
    assert left <= 10


def test_a_difference_of_means_is_found_and_equal_ones_seldom_are() -> None:
    random = np.random.default_rng(5)
    wrong = 0
    for _ in range(200):
        a, b = random.exponential(1, 4000), random.exponential(1, 4000)
        for n in (100, 300, 1000, 4000):
            low, high = mean_difference_sequence(n, a[:n].mean(), a[:n].var(), n, b[:n].mean(), b[:n].var(), 0.05)
            if low > 0 or high < 0:
                wrong += 1
                break
    assert wrong <= 10
    low, _ = mean_difference_sequence(5000, 1.2, 1.0, 5000, 1.0, 1.0, 0.01)
    assert 0 < low < 0.2
    for none in ((1, 0, 0, 1, 0, 0), (500, 1, 0.0, 500, 1, 0.0), (500, 1, inf, 500, 1, 1.0)):
        assert mean_difference_sequence(*none, 0.05) == (-inf, inf)


@given(st.lists(st.floats(-5, 50), min_size=4, max_size=9), st.integers(1, 8), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_bound_for_subsets_is_no_less_than_the_exact_share_of_subsets(values: list, drawn: int, pick) -> None:
    from itertools import combinations

    x, drawn = np.array(values), min(drawn, len(values) - 1)
    chosen = np.zeros(len(x), bool)
    chosen[pick.sample(range(len(x)), drawn)] = True
    sums = [x[list(one)].sum() for one in combinations(range(len(x)), drawn)]
    near = 1e-9 * np.abs(x).max()
    exact = np.mean([one >= x[chosen].sum() - near for one in sums])
    assert subset_p(x, chosen) >= exact - 1e-9


def test_keys_that_fail_more_are_found_however_uneven_they_are() -> None:
    random = np.random.default_rng(6)
    requests = np.bincount(random.zipf(1.5, 20_000) % 1000, minlength=1000)
    chosen = np.zeros(1000, bool)
    chosen[random.permutation(1000)[:500]] = True
    same, worse = random.binomial(requests, 0.02), random.binomial(requests, np.where(chosen, 0.08, 0.02))
    alike, apart = (subset_p(bad - requests * bad.sum() / requests.sum(), chosen) for bad in (same, worse))
    assert alike > 0.001
    assert apart < 1e-6


def test_edges_of_subsets_are_no_evidence() -> None:
    assert subset_p([], []) == subset_p([1.0, 2.0], [True, True]) == subset_p([3.0, 3.0], [True, False]) == 1.0
    assert subset_p(np.append(np.zeros(999), 1e12), np.arange(1000) >= 999) == pytest.approx(0.001, rel=3)


def test_bins_that_differ_are_found_and_none_are_no_evidence() -> None:
    assert different(np.zeros((0, 3)), np.zeros((0, 3))) == 0.0
    assert different([[50, 50, 0]], [[50, 50, 0]]) < 0
    assert different([[90, 10, 0]], [[50, 50, 0]]) > log(100)


def test_the_mean_of_logarithms_neither_overflows_nor_underflows() -> None:
    assert float(log_mean([1000.0, 1000.0])) == 1000.0
    assert exp(float(log_mean([0.0, log(3.0)]))) == pytest.approx(2.0)


@pytest.mark.parametrize("many", [10**9, 10**12])
def test_huge_counts_are_no_trouble(many: int) -> None:
    assert np.isfinite(more_often([many], [many], [0], [many])[-1])
    low, high = share_sequence(many // 100, many, 1e-6)
    assert low < 0.01 < high
    assert split_is(many, many, 0.5) < 0
