"""What a prediction costs, learnt from calls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.serving.pace import Pace

SECONDS = st.floats(1e-6, 10, allow_nan=False)


def learnt(*calls: tuple[int, float]) -> Pace:
    pace = Pace()
    for rows, seconds in calls:
        pace.observe(rows, seconds)
    return pace


def test_nothing_known_costs_nothing() -> None:
    assert Pace().expected(10) == 0.0
    assert Pace().rows_within(0.1) > 10**6


@given(call=SECONDS, row=SECONDS)
def test_the_call_and_the_row_are_told_apart(call: float, row: float) -> None:
    pace = learnt(*[(rows, call + row * rows) for rows in (1, 32, 4, 100, 7, 64)] * 5)
    assert pace.expected(50) == pytest.approx(call + row * 50, rel=1e-3)


def test_calls_of_one_size_are_taken_to_cost_by_the_row() -> None:
    pace = learnt(*[(1, 0.002)] * 10)
    assert pace.expected(1) == pytest.approx(0.002)
    assert pace.expected(100) == pytest.approx(0.2)
    assert pace.rows_within(0.1) == 50


@given(calls=st.lists(st.tuples(st.integers(1, 10_000), SECONDS), min_size=1, max_size=30), rows=st.integers(1, 10_000))
def test_an_expectation_is_never_negative_and_a_batch_never_empty(calls: list[tuple[int, float]], rows: int) -> None:
    pace = learnt(*calls)
    assert pace.expected(rows) >= 0
    assert pace.rows_within(1e-9) >= 1


def test_what_is_newer_counts_more() -> None:
    pace = learnt(*[(1, 0.001)] * 100, *[(1, 0.1)] * 60)
    assert pace.expected(1) > 0.09
