"""Rows as clients spell them become equally long columns, or an error that names row and column."""

from __future__ import annotations

from typing import Any

import pytest

from loopwright.bundle.records import Input, Signature
from loopwright.errors import RequestError
from loopwright.serving.tabular import from_columns, from_positions, from_records, key_text, shown

SIGNATURE = Signature(
    inputs=(Input(name="x", kind="number"), Input(name="shop", kind="text", required=False)), outputs=()
)


def test_records_become_columns_and_what_is_optional_may_be_absent() -> None:
    rows = from_records([{"x": 1, "shop": "a"}, {"x": None, "more": 7}], SIGNATURE, "instances")
    assert rows.columns == {"x": [1, None], "shop": ["a", None], "more": [None, 7]}
    assert rows.count == 2


def test_lists_stand_for_the_signatures_columns_in_order() -> None:
    assert from_records([[1, "a"], [2, "b"]], SIGNATURE, "instances").columns == {"x": [1, 2], "shop": ["a", "b"]}


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([{"x": 1}, {"shop": "a"}], "row 2 lacks the column 'x'"),
        ([{"x": 1}, 7], "row 2 is 7"),
        ([[1, "a"], [1]], "row 2 has 1 values, but 2 are expected"),
        ([[1, "a"], {"x": 1}], "row 2 has an object, but 2 are expected"),
    ],
)
def test_a_row_that_differs_is_named(records: list[Any], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        from_records(records, SIGNATURE, "instances")


def test_columns_must_be_lists_of_one_length() -> None:
    with pytest.raises(RequestError, match="the column 'x' has 1 values, 'shop' has 2"):
        from_columns({"x": [1], "shop": ["a", "b"]}, "inputs")
    with pytest.raises(RequestError, match="the column 'x' holds 3"):
        from_columns({"x": 3}, "inputs")


def test_no_rows_are_no_rows() -> None:
    assert from_records([], SIGNATURE, "x").count == from_positions([], ["x"], "x").count == 0


def test_a_clients_value_is_shown_short_and_in_ascii() -> None:
    assert shown("é\n\ud800") == "'\\xe9\\n\\ud800'"
    assert len(shown("x" * 1000)) == 80


def test_keys_are_the_same_however_they_are_spelled() -> None:
    assert {key_text(7), key_text(7.0), key_text("7")} == {"7"}
    assert key_text([7]) is None
