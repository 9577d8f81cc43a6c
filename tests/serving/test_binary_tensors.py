"""Raw tensor bytes: every datatype there and back, and errors that name the tensor."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.errors import RequestError
from loopwright.serving.binary_tensors import datatype_of, read_tensor, write_tensor, write_texts

NUMBERS: dict[Any, str] = {
    np.uint8: "UINT8", np.uint16: "UINT16", np.uint32: "UINT32", np.uint64: "UINT64", np.int8: "INT8",
    np.int16: "INT16", np.int32: "INT32", np.int64: "INT64", np.float16: "FP16", np.float32: "FP32", np.float64: "FP64",
    np.bool_: "BOOL",
}  # fmt: skip


@pytest.mark.parametrize(("kind", "datatype"), NUMBERS.items())
def test_numbers_there_and_back(kind: Any, datatype: Any) -> None:
    values = np.array([[0, 1, 1], [100, 0, 5]]).astype(kind)
    assert datatype_of(values) == datatype
    found = read_tensor("x", datatype, 6, write_tensor(values))
    assert isinstance(found, np.ndarray)
    assert found.dtype == values.dtype
    assert found.tolist() == values.reshape(-1).tolist()


def test_numbers_are_looked_at_where_they_lie() -> None:
    raw = np.arange(4, dtype="<f8").tobytes()
    found = read_tensor("x", "FP64", 4, raw)
    assert isinstance(found, np.ndarray)
    assert np.shares_memory(found, np.frombuffer(raw, dtype=np.uint8))


def test_bf16_is_the_upper_half_of_fp32() -> None:
    found = read_tensor("x", "BF16", 3, struct.pack("<3H", 0x3F80, 0xC000, 0x7FC0))
    assert isinstance(found, np.ndarray)
    assert found[:2].tolist() == [1.0, -2.0]
    assert np.isnan(found[2])


def test_a_byte_that_is_no_truth_value_is_true() -> None:
    found = read_tensor("x", "BOOL", 3, b"\x00\x01\x07")
    assert isinstance(found, np.ndarray)
    assert found.view("u1").tolist() == [0, 1, 1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=8))
def test_texts_there_and_back(texts: list[str]) -> None:
    assert read_tensor("x", "BYTES", len(texts), write_texts(texts)) == texts
    assert write_tensor(np.array(texts, dtype=np.object_)) == write_texts(texts)


@pytest.mark.parametrize(
    ("datatype", "count", "raw", "said"),
    [
        ("FP64", 2, b"12345678", "'x' has 8 bytes: send 16 for 2 values of FP64"),
        ("BYTES", 1, b"\x05\x00\x00\x00abc", "'x': text 1 ends beyond the tensor's 7 bytes"),
        ("BYTES", 1, b"\xff\xff\xff\xff", "'x': text 1 ends beyond"),
        ("BYTES", 2, b"\x00\x00\x00\x00\x01", "'x' ends in the middle of a text's length"),
        ("BYTES", 1, b"\x01\x00\x00\x00\xff", "'x': text 1 is no UTF-8"),
        ("BYTES", 2, b"\x01\x00\x00\x00a", "'x' holds 1 texts: send 2"),
    ],
)
def test_bytes_that_do_not_fit_are_named(datatype: Any, count: int, raw: bytes, said: str) -> None:
    with pytest.raises(RequestError) as raised:
        read_tensor("x", datatype, count, raw)
    assert said in f"{raised.value.message}: {raised.value.remedy}"
