"""Two versions' answers held against each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.core.codec import from_json, to_json
from loopwright.evaluation.differences import Answers, Differences, compare_answers, segment, tenths


def numbers(values) -> Answers:
    return Answers(values=np.array(values, dtype=float))


def two(values, *, threshold: float = 0.5) -> Answers:
    p = np.array(values, dtype=float)
    return Answers(values=np.stack([1 - p, p], axis=1), labels=tuple(np.where(p >= threshold, "yes", "no")))


def test_numbers_are_told_apart_by_standard_deviations_of_the_first_answers():
    before = np.arange(100.0)
    found = compare_answers(numbers(before), numbers(before + np.where(before < 20, 5, 1)), {}, tolerance=0.1)
    whole = found.whole
    assert found.tolerance == pytest.approx(0.1 * before.std())
    assert whole.changed.value == pytest.approx(0.2)
    assert whole.changed.low < 0.2 < whole.changed.high
    assert whole.shift.value == pytest.approx(1.8)
    assert (whole.mean, whole.median, whole.p95) == pytest.approx((1.8, 1.0, 5.0))
    assert whole.flipped is None
    assert found.flips == {}


def test_probabilities_are_told_apart_by_themselves_and_labels_are_counted():
    found = compare_answers(two([0.1, 0.4, 0.6, 0.9]), two([0.1, 0.6, 0.65, 0.9]), {}, tolerance=0.1)
    assert found.tolerance == 0.1
    assert found.whole.changed.value == 0.25
    assert found.whole.flipped.value == 0.25
    assert found.whole.shift.value == pytest.approx(0.0625)
    assert found.flips == {"no": {"no": 1, "yes": 1}, "yes": {"yes": 2}}


def test_of_more_classes_the_distance_is_half_of_all_that_moved():
    a = Answers(values=np.array([[0.5, 0.3, 0.2]]), labels=("a",))
    b = Answers(values=np.array([[0.2, 0.4, 0.4]]), labels=("b",))
    whole = compare_answers(a, b, {}, tolerance=0.1).whole
    assert whole.mean == pytest.approx(0.3)
    assert whole.shift is None


def test_segments_have_figures_of_their_own_whose_intervals_are_wider():
    before = np.zeros(200)
    shop = np.repeat(["n", "s"], 100)
    after = np.where(shop == "n", 1.0, 0.0)
    found = compare_answers(numbers(before), numbers(after), {"shop": segment(shop)}, tolerance=0.1)
    north, south = found.segments
    assert (north.column, north.value, north.rows) == ("shop", "n", 100)
    assert (north.changed.value, south.changed.value) == (1.0, 0.0)
    alone = compare_answers(numbers(before[:100]), numbers(after[:100]), {}, tolerance=0.1)
    assert north.changed.low < alone.whole.changed.low, "several intervals at once are wider"


def test_rows_of_one_unit_count_as_one():
    random = np.random.default_rng(0)
    moved = np.repeat(random.normal(0, 1, 20), 50)
    units = np.repeat(np.arange(20), 50)
    before = numbers(random.normal(0, 1, 1000))
    after = numbers(before.values + moved)
    apart = compare_answers(before, after, {}, tolerance=0.1).whole
    together = compare_answers(before, after, {}, tolerance=0.1, units=units).whole
    assert (apart.units, together.units) == (1000, 20)
    assert together.shift.high - together.shift.low > 5 * (apart.shift.high - apart.shift.low)
    assert together.changed.high - together.changed.low > 2 * (apart.changed.high - apart.changed.low)


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution_where_each_row_is_its_own():
    moved = np.random.default_rng(1).normal(0.3, 2, 400)
    whole = compare_answers(numbers(np.zeros(400)), numbers(moved), {}, tolerance=0.1).whole
    reach = 1.959964 * moved.std(ddof=1) / 20
    assert (whole.shift.low, whole.shift.high) == pytest.approx((moved.mean() - reach, moved.mean() + reach))


def test_rows_without_both_answers_play_no_part():
    found = compare_answers(numbers([1, np.nan, 3, np.inf]), numbers([1, 2, np.nan, 4]), {}, tolerance=0.1)
    assert found.whole.rows == 1
    assert found.whole.shift.low is None, "one row has no interval"
    assert compare_answers(numbers([np.nan]), numbers([1]), {}, tolerance=0.1) is None
    assert compare_answers(numbers([]), numbers([]), {}, tolerance=0.1) is None


@pytest.mark.parametrize("size", [0.0, 1e-300, 1e300])
def test_equal_answers_have_not_changed_whatever_their_size(size):
    same = numbers(np.linspace(0, 1, 50) * size)
    whole = compare_answers(same, same, {}, tolerance=0.1).whole
    assert (whole.changed.value, whole.mean, whole.shift.value) == (0.0, 0.0, 0.0)


def test_the_largest_numbers_there_are_still_have_finite_differences():
    found = compare_answers(numbers([1e308, -1e308] * 9), numbers([-1e308, 1e308] * 9), {}, tolerance=0.1)
    assert found.whole.changed.value == 1.0
    assert from_json(to_json(found), Differences) == found


def test_a_champion_that_always_says_the_same_is_left_by_any_other_answer():
    whole = compare_answers(numbers([5.0] * 10), numbers([5.0] * 9 + [5.1]), {}, tolerance=0.1).whole
    assert whole.changed.value == pytest.approx(0.1)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=60))
def test_tenths_part_all_finite_values_in_their_order(values):
    array = np.array(values)
    found = tenths(array)
    assert ((found.place >= 0) == np.isfinite(array)).all()
    assert len(set(found.names)) == len(found.names) <= 10
    inside = np.flatnonzero(found.place >= 0)
    order = inside[np.argsort(array[inside], kind="stable")]
    assert (np.diff(found.place[order]) >= 0).all()


def test_a_column_is_parted_by_its_commonest_values():
    names = segment(["a"] * 20 + ["b"] * 30 + [None] * 12 + ["rare"]).names
    assert names == ("b", "a", "missing")
    assert segment(np.array([True] * 15 + [False] * 10)).names == ("true", "false")
    assert segment(np.array([1.0, 2.0] * 20)).names == ("1", "2")
    assert len(segment(np.arange(100.0)).names) == 10
    assert segment(np.array(["2026-01-01T05:00"] * 10, dtype="M8[us]")).names == ("2026-01-01",)


def test_differences_survive_the_codec():
    found = compare_answers(two([0.1, 0.8]), two([0.3, 0.4]), {"x": segment(["a", "b"])}, tolerance=0.1)
    assert from_json(to_json(found), Differences) == found
