"""A block of values is the same as the columns cut out of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.bundle.blocks import Block, matrix_of, rows_of
from loopwright.bundle.columns import Fitter
from loopwright.bundle.encoding import Encoder
from loopwright.bundle.outputs import task_signature
from loopwright.bundle.records import Encoding, FeatureColumn, Input
from loopwright.errors import RequestError

NAMES = ("a", "b", "c")
NUMBERS = Encoding(columns=tuple(FeatureColumn(name=name, kind="number") for name in NAMES), names=NAMES)
MIXED = Encoding(
    columns=(*NUMBERS.columns[:2], FeatureColumn(name="c", kind="category", vocabulary=("1", "x"))), names=NAMES
)
CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.lists(st.floats(), max_size=2),
    st.sampled_from(["1", "x", " 2.5 ", "", "inf"]),
)  # fmt: skip


@given(rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=20), mixed=st.booleans())
def test_a_block_is_encoded_and_refused_as_its_columns_are(rows: list[list[Any]], mixed: bool) -> None:
    block = Block(NAMES, [cell for row in rows for cell in row], len(rows))
    encoder = Encoder(MIXED if mixed else NUMBERS)
    columns = {name: [row[place] for row in rows] for place, name in enumerate(NAMES)}
    assert [refusal(encoder, given) for given in (block, block.columns(), dict(block))] == [
        refusal(encoder, columns)
    ] * 3


@given(values=st.lists(st.floats(width=32), min_size=3, max_size=60).filter(lambda one: len(one) % 3 == 0))
def test_an_array_will_do_and_stays_as_it_is(values: list[float]) -> None:
    flat = np.array(values, dtype=np.float32)
    before = flat.copy()
    matrix = matrix_of(Block(NAMES, flat, len(values) // 3))
    assert matrix is not None
    matrix[:] = 0
    np.testing.assert_array_equal(flat, before)


def test_numbers_become_an_array_that_keeps_what_came_whatever_is_done_to_the_matrix() -> None:
    block = Block(NAMES, [1, float("inf"), None, True, -2.5, 10**400 // 10**390], 2)
    matrix = matrix_of(block)
    assert matrix is not None
    np.testing.assert_array_equal(matrix, [[1.0, np.nan, np.nan], [1.0, -2.5, 1e10]])
    matrix[:] = 0
    np.testing.assert_array_equal(block.flat, [1.0, np.inf, np.nan, 1.0, -2.5, 1e10])


def test_a_block_is_a_mapping_of_columns() -> None:
    block = Block(NAMES, [1, 2, 3, 4, 5, 6], 2)
    assert dict(block) == {"a": [1, 4], "b": [2, 5], "c": [3, 6]}
    assert (len(block), rows_of(block), rows_of({}), rows_of({"a": [1]})) == (3, 2, 0, 1)
    with pytest.raises(KeyError):
        block["d"]


def test_values_that_do_not_fill_the_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="5 values are not 2 rows of 3 columns"):
        Block(NAMES, [1, 2, 3, 4, 5], 2)


def test_a_block_of_other_columns_is_fitted_by_name() -> None:
    signature = task_signature("regression", [Input(name=name, kind="number") for name in ("c", "a")])
    assert Fitter(signature)(Block(NAMES, [1, 2, 3], 1)) == {"c": [3], "a": [1]}
    same = task_signature("regression", [Input(name=name, kind="number") for name in NAMES])
    block = Block(NAMES, [1, 2, 3], 1)
    assert Fitter(same)(block) is block


def refusal(encoder: Encoder, columns: Any) -> str | list[Any]:
    """The matrix, NaN as a word so that it equals itself; or what was said instead."""
    try:
        return [["nan" if cell != cell else cell for cell in row] for row in encoder(columns).tolist()]
    except RequestError as error:
        return error.message
