"""Values of any kind to typed columns; what does not fit is missing, and nothing is raised."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.bundle.records import InputKind
from loopwright.serving.typed import ARROW, as_arrow, as_numbers, as_texts, gathered

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=3,
)


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        ("number", [1, "2.5", None, True, float("nan"), "x"], [1.0, 2.5, None, 1.0, None, None]),
        ("integer", [1, None, 2**60 + 1], [1, None, 2**60 + 1]),
        ("integer", [1.0, "3", 3.5, None, 10**30, "x"], [1, 3, None, None, None, None]),
        ("integer", [10**30, 1], [None, 1]),
        ("boolean", [True, 0, "TRUE", None, 7], [True, False, True, None, None]),
        ("text", ["a", None, ""], ["a", None, ""]),
        ("text", ["a", 7, 7.0, True, [1], "\ud800"], ["a", "7", "7", "true", None, "?"]),
        ("date", ["2026-01-02", None, "x", 0], [date(2026, 1, 2), None, None, date(1970, 1, 1)]),
        (
            "datetime",
            ["2026-01-02T03:04:05+01:00", None],
            [datetime.fromisoformat("2026-01-02T02:04:05"), None],
        ),
        ("number", np.array([1, 2]), [1.0, 2.0]),
        ("number", np.array([1.5, 1e200, -1e200]), [1.5, 1e200, -1e200]),
        ("number", np.array([1.5, np.inf, np.nan]), [1.5, None, None]),
        ("date", np.array(["2026-01-02", "NaT"], dtype="M8[s]"), [date(2026, 1, 2), None]),
    ],
)
def test_values_become_their_kind(kind: InputKind, values: Any, expected: list[Any]) -> None:
    assert as_arrow(kind, values).to_pylist() == expected


@settings(max_examples=60)
@given(st.sampled_from(sorted(ARROW)), st.lists(JSON, max_size=4))
def test_whatever_json_holds_becomes_a_column(kind: InputKind, values: list[Any]) -> None:
    column = as_arrow(kind, values)
    assert (len(column), column.type) == (len(values), ARROW[kind])
    assert len(as_numbers(values)) == len(as_texts(values)) == len(values)


def test_requests_are_put_end_to_end() -> None:
    assert gathered([([1, 2], 2), (None, 1), (np.array([3.5]), 1)]) == [1, 2, None, 3.5]
    assert gathered([(np.array([1.0]), 1), (np.array([2.0]), 1)]).tolist() == [1.0, 2.0]  # type: ignore[union-attr]
    assert gathered([(np.array(["a"]), 1), (np.array([2.0]), 1)]) == ["a", 2.0]
