"""Open Inference Protocol v2: tensors to rows, and errors that name the tensor."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from loopwright.bundle.records import Input, Output, Signature
from loopwright.errors import RequestError
from loopwright.serving.protocol_v2 import check_outputs, decode_request, request_rows
from loopwright.serving.tabular import Rows

SIGNATURE = Signature(
    inputs=(Input(name="x", kind="number"), Input(name="n", kind="integer")),
    outputs=(Output(name="prediction", kind="number"),),
)

NAMES = tuple(one.name for one in SIGNATURE.inputs)


def tensor(name: str, shape: list[int], data: Any, datatype: str = "FP64") -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


def rows(*tensors: dict[str, Any]) -> Rows:
    return request_rows(decode_request(msgspec.json.encode({"inputs": tensors})), NAMES)


@pytest.mark.parametrize("shape", [[2], [2, 1]])
@pytest.mark.parametrize("nested", [False, True])
def test_one_tensor_a_column(shape: list[int], nested: bool) -> None:
    nested = nested and len(shape) == 2
    x, n = ([[1.5], [None]], [[1], [2]]) if nested else ([1.5, None], [1, 2])
    assert rows(tensor("x", shape, x), tensor("n", shape, n, "INT64")).columns == {"x": [1.5, None], "n": [1, 2]}


@pytest.mark.parametrize("data", [[1, 2, 3, 4, 5, 6], [[1, 2], [3, 4], [5, 6]]])
def test_one_matrix_of_all_columns(data: Any) -> None:
    found = rows(tensor("anything", [3, 2], data))
    assert (found.columns, found.count) == ({"x": [1, 3, 5], "n": [2, 4, 6]}, 3)


def test_a_large_matrix_is_the_same_rows_in_arrays() -> None:
    data = [[float(row), None if row == 3 else 0.5] for row in range(50)]
    found = rows(tensor("anything", [50, 2], data))
    assert isinstance(found.columns["x"], np.ndarray)
    assert found.columns["x"].tolist() == [row[0] for row in data]
    assert np.isnan(found.columns["n"][3])
    assert rows(tensor("anything", [50, 2], [["a", 1.0]] * 50)).columns["x"] == ["a"] * 50


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ([], "no input tensors"),
        ([tensor("m", [1, 3], [1, 2, 3])], r"the tensor 'm' has the shape \[1, 3\]"),
        ([tensor("m", [2, 2], [1, 2, 3])], "the shape \\[2, 2\\], but 3 values"),
        ([tensor("m", [2, 2], [[1, 2], [3]])], "'m' has the shape"),
        ([tensor("x", [1, 1, 1], [1]), tensor("n", [1], [1])], r"the tensor 'x' has the shape \[1, 1, 1\]"),
        ([tensor("x", [2], [[1], [2]]), tensor("n", [2], [1, 2])], "'x' has the shape"),
        ([tensor("x", [-1], []), tensor("n", [1], [1])], "'x' has the shape"),
        ([tensor("x", [1], [1]), tensor("x", [1], [1])], "'x' is there twice"),
        ([tensor("x", [1], [1]), tensor("n", [2], [1, 2])], "'x' has 1 values, 'n' has 2"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(tensors: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        rows(*tensors)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"inputs": 3}', b'{"inputs": [{"name": "x"}]}', b'{"inputs": [', b"\xff\xfe", b"[" * 100_000,
     b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP128", "data": [1]}]}',
     b'{"inputs": [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1e999]}]}',
     b'{"inputs": [{"name": "x", "shape": [1.5], "datatype": "FP64", "data": [1]}]}'],
)  # fmt: skip
def test_a_body_that_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(RequestError, match="no inference request"):
        decode_request(body)


def test_an_output_that_does_not_exist_is_named() -> None:
    request = decode_request(b'{"inputs": [], "outputs": [{"name": "odds"}]}')
    with pytest.raises(RequestError, match="no output 'odds'"):
        check_outputs(request, SIGNATURE)
