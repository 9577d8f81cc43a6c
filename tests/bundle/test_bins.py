"""Every value falls into exactly one bin, the same for a reference and for what is counted against it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.bundle.bins import MANY, count_categories, count_numbers, width
from loopwright.bundle.records import ReferenceColumn

numbers = st.floats(allow_nan=False)


def test_a_bin_begins_at_its_edge() -> None:
    values = np.array([-np.inf, -1.0, 0.0, 0.5, 1.0, np.inf, np.nan])
    assert count_numbers((0.0, 1.0), values).tolist() == [2, 2, 2]


@given(st.lists(numbers, unique=True, max_size=5), st.lists(numbers, max_size=20))
def test_no_number_is_lost_and_counts_merge_by_addition(edges: list[float], values: list[float]) -> None:
    rising, found = tuple(sorted(edges)), np.array(values, dtype=np.float64)
    counts = count_numbers(rising, found)
    assert (counts.sum(), len(counts)) == (len(values), len(edges) + 1)
    half = len(values) // 2
    assert (count_numbers(rising, found[:half]) + count_numbers(rising, found[half:])).tolist() == counts.tolist()


@given(st.lists(numbers, unique=True, max_size=4), st.lists(st.floats(), min_size=1, max_size=9))
def test_many_values_fall_where_each_would_by_itself(edges: list[float], values: list[float]) -> None:
    rising = tuple(sorted(edges))
    many = np.resize(np.array([*values, *edges], dtype=np.float64), MANY * 5)
    alone = sum(count_numbers(rising, many[[place]]) for place in range(len(many)))
    assert count_numbers(rising, many).tolist() == alone.tolist()


def test_what_is_not_known_falls_into_the_last_bin() -> None:
    assert count_categories(("a", "b"), ["b", None, "a", "new", "b", ""]).tolist() == [1, 2, 2]
    assert count_categories((), []).tolist() == [0]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (ReferenceColumn(name="x", kind="number", counts=(1, 1, 1), edges=(0.0, 1.0)), 3),
        (ReferenceColumn(name="x", kind="category", counts=(1, 1), values=("a",)), 2),
    ],
)
def test_a_window_is_as_wide_as_its_reference(column: ReferenceColumn, expected: int) -> None:
    assert width(column) == expected == len(column.counts)
