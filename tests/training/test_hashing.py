"""The hash of a value is the same for ever: a changed one would move rows from test to training."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.training.hashing import hash_rows, hash_values


def test_hashes_are_those_of_the_first_release() -> None:
    assert hash_values(pl.Series([0, 1, -1, None])).tolist() == PINNED["numbers"]
    assert hash_values(pl.Series(["", "a", "Ω", None])).tolist() == PINNED["texts"]
    assert hash_values(pl.Series([0.5, float("nan")])).tolist() == PINNED["fractions"]


@given(st.lists(st.integers(-(2**53) + 1, 2**53 - 1), min_size=1))
def test_whole_numbers_hash_alike_in_every_type(numbers: list[int]) -> None:
    whole = hash_values(pl.Series(numbers, dtype=pl.Int64))
    np.testing.assert_array_equal(whole, hash_values(pl.Series([float(one) for one in numbers])))


def test_a_date_hashes_as_its_midnight() -> None:
    days, moments = pl.Series([date(2020, 5, 1)]), pl.Series([datetime.fromisoformat("2020-05-01")])
    np.testing.assert_array_equal(hash_values(days), hash_values(moments))
    np.testing.assert_array_equal(hash_values(moments), hash_values(moments.cast(pl.Datetime("ns"))))


def test_equal_rows_hash_alike_and_others_do_not() -> None:
    rows = pl.LazyFrame({"a": [1, 1, 2, 1], "b": ["x", "x", "x", None]})
    one, two, three, four = hash_rows(rows, ["a", "b"]).tolist()
    assert one == two
    assert len({one, three, four}) == 3


def test_swapped_values_hash_otherwise() -> None:
    rows = pl.LazyFrame({"a": [1, 2], "b": [2, 1]})
    one, other = hash_rows(rows, ["a", "b"]).tolist()
    assert one != other


@pytest.mark.parametrize(
    "values", [range(100_000), range(0, 10_000_000, 100), [f"user-{one:07}" for one in range(100_000)]]
)
def test_hashes_of_regular_keys_are_spread_evenly(values: range | list[str]) -> None:
    hashes = hash_values(pl.Series(list(values)))
    counts = np.bincount((hashes >> np.uint64(57)).astype(int), minlength=128)
    expected = len(hashes) / 128
    assert ((counts - expected) ** 2 / expected).sum() < 220  # chi-squared with 127 degrees: 220 is one in a million


PINNED = {
    "numbers": [16294208416658607535, 10451216379200822465, 16490336266968443936, 14937910342934310018],
    "texts": [5196802822362493915, 2603143174735541007, 5909659069026472839, 14937910342934310018],
    "fractions": [17606427253252083309, 14351126860892846918],
}
