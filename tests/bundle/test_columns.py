"""A request's columns against the signature."""

import numpy as np
import pytest

from loopwright.bundle.columns import Fitter
from loopwright.bundle.outputs import task_signature
from loopwright.bundle.records import Input
from loopwright.errors import RequestError

SIGNATURE = task_signature(
    "regression",
    [Input(name="a", kind="number"), Input(name="b", kind="text"), Input(name="c", kind="date", required=False)],
)


def test_columns_come_in_the_signatures_order_without_what_is_unknown() -> None:
    fitted = Fitter(SIGNATURE)({"z": [1, 2, 3], "b": ["x", None], "a": np.array([1.0, 2.0])})
    assert list(fitted) == ["a", "b", "c"]
    assert fitted["c"] == [None, None]


def test_a_missing_column_is_named_beside_what_came_instead() -> None:
    with pytest.raises(RequestError, match=r"the column 'b' is missing; 'B' is not known"):
        Fitter(SIGNATURE)({"a": [1], "B": ["x"]})
    with pytest.raises(RequestError, match="the columns 'a', 'b' are missing"):
        Fitter(SIGNATURE)({})


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(RequestError, match="not equally long: 'a' has 1, 'b' has 2"):
        Fitter(SIGNATURE)({"a": [1], "b": ["x", "y"]})


def test_a_matrix_is_no_column() -> None:
    with pytest.raises(RequestError, match=r"'b' has the shape \(1, 2\)"):
        Fitter(SIGNATURE)({"a": [1], "b": np.zeros((1, 2))})
    with pytest.raises(RequestError, match="'b' is not a list"):
        Fitter(SIGNATURE)({"a": [1], "b": "x"})  # type: ignore[dict-item]


def test_a_model_of_optional_columns_takes_any_of_them() -> None:
    optional = task_signature("regression", [Input(name=name, kind="number", required=False) for name in "ab"])
    assert Fitter(optional)({"b": [1, 2]}) == {"a": [None, None], "b": [1, 2]}
    assert Fitter(optional)({"z": [1, 2]}) == {"a": [None, None], "b": [None, None]}
