"""Divergences agree with SciPy and with their formulas, and stay finite where bins are empty."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from loopwright.statistics.divergence import (
    deviation,
    jensen_shannon,
    psi,
    psi_each,
    wasserstein,
    wasserstein_sorted,
)
from loopwright.statistics.histogram import count_into, edges_from

pytestmark = pytest.mark.filterwarnings("error")
pairs = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=20)


@given(pairs)
@settings(deadline=None)
def test_on_any_counts(drawn: Any) -> None:
    p, q = np.array(drawn).T
    if not p.sum() or not q.sum():
        assert psi(p, q) is jensen_shannon(p, q) is None
        return
    smooth_p, smooth_q = ((one + 0.5) / (one.sum() + 0.5 * len(one)) for one in (p, q))
    both_ways = stats.entropy(smooth_p, smooth_q) + stats.entropy(smooth_q, smooth_p)
    assert psi(p, q) == pytest.approx(both_ways, rel=1e-9, abs=1e-12)
    assert psi(q, p) == pytest.approx(both_ways, rel=1e-9, abs=1e-12)
    assert jensen_shannon(p, q) == pytest.approx(jensenshannon(p, q, base=2), abs=1e-7)
    edges = np.cumsum(1.0 + np.arange(len(p) - 1))
    places = np.r_[edges[0], (edges[1:] + edges[:-1]) / 2, edges[-1]]
    expected = stats.wasserstein_distance(places, places, p, q)
    assert wasserstein(edges.tolist(), p, q) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_ends_of_the_scale() -> None:
    assert psi([5, 5], [50, 50]) == pytest.approx(0, abs=1e-3)
    assert jensen_shannon([5, 5], [50, 50]) == 0
    assert jensen_shannon([5, 0], [0, 9]) == 1
    apart = psi([1000, 0], [0, 1000])
    assert apart is not None
    assert 5 < apart < 30


def test_many_at_once_are_as_each_by_itself() -> None:
    rng = np.random.default_rng(2)
    windows, others = rng.multinomial(50, np.full(6, 1 / 6), size=4), rng.multinomial(500, np.full(6, 1 / 6), size=4)
    assert psi_each(others, windows).tolist() == pytest.approx([psi(*one) for one in zip(others, windows, strict=True)])


def test_a_psi_of_unchanged_rows_has_the_mean_that_its_source_gives() -> None:
    rng = np.random.default_rng(0)
    shares = np.full(10, 0.1)
    found = [psi(rng.multinomial(5_000, shares), rng.multinomial(1_000, shares)) for _ in range(300)]
    assert np.mean(np.array(found, dtype=float)) == pytest.approx(9 * (1 / 5_000 + 1 / 1_000), rel=0.1)


def test_wasserstein_finds_a_shift_in_the_unit_of_the_values() -> None:
    values = np.random.default_rng(1).normal(100, 10, 20_000)
    edges = edges_from(np.concatenate([values, values + 5]), 60)
    found = wasserstein(edges, count_into(edges, values).counts, count_into(edges, values + 5).counts)
    assert found == pytest.approx(5, rel=0.05)
    assert wasserstein((), (1,), (1,)) is None
    assert wasserstein((3.0,), (1, 0), (0, 1)) == 0


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 60))
@settings(max_examples=40, deadline=None)
def test_wasserstein_of_values_agrees_with_scipy(seed: int, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = np.sort(rng.normal(size=n)), np.sort(rng.normal(1, 2, size=m).round(1))
    assert wasserstein_sorted(a, b) == pytest.approx(stats.wasserstein_distance(a, b))


def test_wasserstein_of_no_values_and_the_deviation_of_none_are_none() -> None:
    assert wasserstein_sorted(np.empty(0), np.ones(3)) is None
    assert deviation((), (5,)) is None
    assert deviation((0.0, 1.0), (0, 0, 0)) is None


def test_the_deviation_of_counts_is_near_that_of_the_values() -> None:
    values = np.random.default_rng(1).normal(5, 3, 20_000)
    edges = edges_from(values, 200)
    assert deviation(edges, count_into(edges, values).counts) == pytest.approx(3, rel=0.05)
