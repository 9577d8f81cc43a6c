"""Counts merge in any order, and nothing falls outside the bins."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.codec import from_json, to_json
from loopwright.errors import DataError
from loopwright.statistics.histogram import (
    CategoryCounts,
    Histogram,
    aligned,
    bucket_quantile,
    categories_from,
    count_categories,
    count_into,
    edges_from,
    latency_edges,
    merge,
    merge_categories,
)

numbers = st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=40)
names = st.lists(st.sampled_from(["a", "b", "c", None]), max_size=20)
EDGES = (-1.0, 0.0, 0.5, 10.0)


@given(numbers, numbers, numbers)
def test_merging_histograms_is_counting_everything(a: Any, b: Any, c: Any) -> None:
    first, second, third = (count_into(EDGES, np.array(one)) for one in (a, b, c))
    assert merge(first, second) == merge(second, first)
    assert merge(merge(first, second), third) == merge(first, merge(second, third))
    assert merge(merge(first, second), third) == count_into(EDGES, np.array([*a, *b, *c]))


@given(numbers)
def test_every_number_falls_into_one_bin(values: Any) -> None:
    found = count_into(EDGES, np.array(values))
    bounds = [-np.inf, *EDGES, np.inf]
    array = np.array(values, dtype=float)
    expected = [int(((array >= low) & ((array < high) | (high == np.inf))).sum()) for low, high in pairwise(bounds)]
    assert list(found.counts) == expected
    assert found.missing == int(np.isnan(array).sum())
    assert found.total + found.missing == len(values)


@given(numbers, st.integers(2, 30))
@settings(deadline=None)
def test_edges_rise_and_hold_the_whole_sample(values: Any, bins: int) -> None:
    edges = edges_from(np.array(values), bins)
    finite = [value for value in values if np.isfinite(value)]
    assert list(edges) == sorted(set(edges))
    assert len(edges) <= bins + 1
    if finite:
        found = count_into(edges, np.array(finite))
        assert found.counts[0] == found.counts[-1] == 0
    else:
        assert edges == ()


def test_bins_have_equal_mass() -> None:
    values = np.random.default_rng(0).exponential(size=10_000)
    counts = count_into(edges_from(values, 20), values).counts
    assert len(counts) == 22
    assert all(450 <= count <= 550 for count in counts[1:-1])


def test_few_values_have_a_bin_each_and_new_ones_another() -> None:
    edges = edges_from(np.array([0.0, 1, 1, 0, 1]))
    assert count_into(edges, np.array([0, 1, 1])).counts == (0, 1, 2, 0)
    assert count_into(edges, np.array([-1, 1.5, 5])).counts == (1, 0, 0, 2)
    assert count_into(edges_from(np.full(5, 3.0)), np.array([2.9, 3, 3.1])).counts == (1, 1, 1)


def test_nothing_counted_into_no_edges() -> None:
    assert count_into((), np.array([1.0, np.nan])) == Histogram(edges=(), counts=(1,), missing=1)


def test_different_bins_do_not_merge() -> None:
    with pytest.raises(DataError, match="different edges"):
        merge(count_into((0.0,), np.zeros(1)), count_into((1.0,), np.zeros(1)))


@given(names, names, names)
def test_merging_categories_is_counting_everything(a: Any, b: Any, c: Any) -> None:
    first, second, third = (count_categories(one, ["a", "b"]) for one in (a, b, c))
    assert merge_categories(first, second) == merge_categories(second, first)
    assert merge_categories(merge_categories(first, second), third) == count_categories([*a, *b, *c], ["a", "b"])
    assert first.total + first.missing == len(a)


def test_categories_known_and_other() -> None:
    found = categories_from({"x": 3, "y": 2, None: 1}, known=["x", "z"])
    assert found == CategoryCounts(counts={"x": 3, "z": 0}, other=2, missing=1)
    assert count_categories([1, None, 1, "b"]) == CategoryCounts(counts={"1": 2, "b": 1}, missing=1)


def test_counts_stand_side_by_side() -> None:
    first, second = aligned(CategoryCounts(counts={"b": 2, "a": 1}), CategoryCounts(counts={"c": 4}, other=5))
    assert first.tolist() == [1, 2, 0, 0]
    assert second.tolist() == [0, 0, 4, 5]


def test_records_survive_json() -> None:
    for record in (count_into(EDGES, np.arange(5.0)), count_categories(["a", None])):
        assert from_json(to_json(record), type(record)) == record


@given(st.integers(0, 10_000), st.floats(0.001, 0.999))
@settings(max_examples=40, deadline=None)
def test_latency_quantiles_are_within_five_percent(seed: int, share: float) -> None:
    values = np.random.default_rng(seed).lognormal(1, 2, 500).clip(0.06, 90_000)
    edges = latency_edges()
    found = bucket_quantile(edges, count_into(edges, values).counts, share)
    assert found == pytest.approx(np.quantile(values, share, method="inverted_cdf"), rel=0.05 + 1e-9)
    assert len(edges) < 160


def test_latency_quantiles_outside_the_edges_and_of_nothing() -> None:
    edges = latency_edges(1.0, 100.0)
    assert bucket_quantile(edges, count_into(edges, np.array([])).counts, 0.5) is None
    assert bucket_quantile(edges, (), 0.5) is None
    assert bucket_quantile(edges, count_into(edges, np.array([0.1])).counts, 0.5) == edges[0]
    assert bucket_quantile(edges, count_into(edges, np.array([1e9])).counts, 0.5) == pytest.approx(edges[-1])
