"""Sketches of batches merge into the sketch of everything, within the errors they state."""

from __future__ import annotations

from functools import reduce
from time import process_time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.codec import from_json, to_json
from loopwright.statistics.sketch import (
    DistinctSketch,
    Moments,
    QuantileSketch,
    TopCounts,
    add_counts,
    merge_moments,
    moments_of,
    number_keys,
)

pytestmark = pytest.mark.filterwarnings("error")
batches = st.lists(st.lists(st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf, -np.inf]), max_size=20), max_size=5)


@given(batches)
@settings(deadline=None)
def test_moments_of_batches_are_those_of_everything(drawn: Any) -> None:
    found = reduce(merge_moments, (moments_of(np.array(one)) for one in drawn), Moments())
    everything = np.array([value for one in drawn for value in one], dtype=float)
    finite = everything[np.isfinite(everything)]
    assert found.infinite == np.isinf(everything).sum()
    assert found.count == len(finite)
    if len(finite):
        assert found.mean == pytest.approx(finite.mean(), rel=1e-9, abs=1e-6)
        assert found.deviation == pytest.approx(finite.std(), rel=1e-6, abs=1e-6)
        assert (found.minimum, found.maximum) == (finite.min(), finite.max())
    else:
        assert found.deviation is None


def test_moments_keep_their_digits_far_from_zero() -> None:
    values = 1e9 + np.random.default_rng(0).normal(size=200_000)
    found = reduce(merge_moments, (moments_of(part) for part in np.array_split(values, 7)))
    assert found.deviation == pytest.approx(values.std(), rel=1e-7)
    assert found.mean == pytest.approx(values.mean(), rel=1e-14)


def test_moments_that_overflow_have_no_deviation() -> None:
    found = moments_of(np.array([1e308, -1e308, 1e308]))
    assert found.deviation is None
    assert found.maximum == 1e308
    assert from_json(to_json(moments_of(np.arange(3.0))), Moments) == moments_of(np.arange(3.0))


def test_quantiles_are_exact_while_all_values_are_held() -> None:
    sketch = QuantileSketch()
    values = np.random.default_rng(1).normal(size=5_000)
    for part in np.array_split(values, 9):
        sketch.add(part)
    assert sketch.quantiles([0, 0.1, 0.5, 1]) == pytest.approx(np.quantile(values, [0, 0.1, 0.5, 1]))
    assert sorted(sketch.sample()) == sorted(values)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("merged", [True, False])
def test_quantiles_keep_their_rank_error(ordered: bool, merged: bool) -> None:
    values = np.random.default_rng(2).permutation(1_000_000).astype(float)
    if ordered:  # a stream that drifts is where a careless sample fails
        values.sort()
    sketches = [QuantileSketch(seed=seed) for seed in range(4)]
    for part, sketch in zip(np.array_split(values, 4), sketches if merged else [sketches[0]] * 4, strict=True):
        for batch in np.array_split(part, 5):
            sketch.add(batch)
    for other in sketches[1:] if merged else []:
        sketches[0].merge(other)
    shares = np.linspace(0.001, 0.999, 500)
    found = np.array(sketches[0].quantiles(shares.tolist())) / len(values)
    assert np.abs(found - shares).max() < 0.007
    assert sketches[0].count == len(values)
    assert len(sketches[0].sample()) == sketches[0].capacity


def test_values_far_from_zero_are_told_apart() -> None:
    years = np.random.default_rng(3).integers(2001, 2025, 300_000).astype(float)
    sketch = QuantileSketch()
    sketch.add(years)
    assert sketch.quantiles([0.5]) == [np.median(years)]
    assert QuantileSketch().quantiles([0.5]) is None


@given(st.lists(st.lists(st.integers(0, 60), max_size=40), max_size=6), st.integers(4, 80))
@settings(deadline=None)
def test_distinct_values_do_not_depend_on_batches_or_order(drawn: Any, capacity: int) -> None:
    forth, back, merged = (DistinctSketch(capacity) for _ in range(3))
    for one in drawn:
        forth.add(number_keys(np.array(one, dtype=np.int64)))
        other = DistinctSketch(capacity)
        other.add(number_keys(np.array(one, dtype=np.int64)))
        merged.merge(other)
    for one in reversed(drawn):
        back.add(number_keys(np.array(one, dtype=np.int64)))
    distinct = len({value for one in drawn for value in one})
    assert forth.count == back.count == merged.count
    assert forth.exact == back.exact == merged.exact == (distinct < capacity)
    if forth.exact:
        assert forth.count == distinct


@pytest.mark.parametrize("distinct", [10_000, 100_000, 1_000_000])
def test_many_distinct_values_are_estimated_within_the_stated_error(distinct: int) -> None:
    errors = []
    for turn in range(10):
        sketch = DistinctSketch()
        values = np.arange(distinct) * 7 + turn * 10**9
        for part in np.array_split(np.concatenate([values, values[: distinct // 2]]), 3):
            sketch.add(number_keys(part))
        assert not sketch.exact
        errors.append(sketch.count / distinct - 1)
    assert np.sqrt(np.mean(np.square(errors))) < 2 / np.sqrt(sketch.capacity - 2)


def test_keys_are_equal_where_values_are() -> None:
    assert len(set(number_keys(np.array([0.0, -0.0])).tolist())) == 1
    assert number_keys(np.array([True, False])).tolist() == [1, 0]
    assert len(set(number_keys(np.array([1.5, 2.5], dtype=np.float32)).tolist())) == 2


words = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 9), max_size=8)


@given(st.lists(words, max_size=6), st.integers(1, 8))
def test_top_counts_bound_the_truth(drawn: Any, cap: int) -> None:
    found = TopCounts()
    for one in drawn:
        found = add_counts(found, one, cap=cap)
    truth = {name: sum(one.get(name, 0) for one in drawn) for name in "abcdefgh"}
    assert len(found.counts) <= cap
    for name, number in truth.items():
        assert found.counts.get(name, 0) <= number <= found.counts.get(name, 0) + found.lost
    if sum(number > 0 for number in truth.values()) <= cap:
        assert found.lost == 0


def test_top_counts_merge() -> None:
    a, b = add_counts(TopCounts(), {"x": 5, "y": 1, "z": 1}, cap=2), add_counts(TopCounts(), {"y": 4}, cap=2)
    both = add_counts(a, b.counts, lost=b.lost, cap=2)
    assert both.top(1) == (("x", 5),)
    assert both.top(9) == (("x", 5), ("y", 5))
    assert both.lost == 1


def test_a_column_is_sketched_at_a_fast_pace() -> None:
    values = np.random.default_rng(4).normal(size=1_000_000)
    found, quantiles, distinct = Moments(), QuantileSketch(), DistinctSketch()
    start = process_time()
    for _ in range(3):
        found = merge_moments(found, moments_of(values))
        quantiles.add(values)
        distinct.add(number_keys(values))
    assert (process_time() - start) / 3_000_000 < 100e-9  # some 10 to 20 ns on an idle core
