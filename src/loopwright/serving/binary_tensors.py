"""Tensors as raw bytes, as the binary tensor data extension of Open Inference Protocol v2 and its gRPC form have them.

Numbers are little-endian, row by row, with nothing between them; BOOL is a byte each; BYTES are texts in UTF-8, each
behind its length in four bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from loopwright.errors import RequestError
from loopwright.serving.tabular import Values, shown

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
    "FP16", "BF16", "FP32", "FP64", "BYTES",
]  # fmt: skip
Raw = bytes | memoryview


def read_tensor(name: str, datatype: Datatype, count: int, raw: Raw) -> Values:
    """The `count` values in `raw`: texts in a list, numbers in an array that looks into `raw` without a copy.

    Raises `RequestError` that names the tensor, what was expected and what came.
    """
    if datatype == "BYTES":
        return _texts(name, count, raw)
    dtype = _DTYPES[datatype]
    if len(raw) != count * dtype.itemsize:
        raise RequestError(
            f"the tensor {shown(name)} has {len(raw):,} bytes",
            remedy=f"send {count * dtype.itemsize:,} for {count:,} values of {datatype}",
        )
    array: NDArray[Any] = np.frombuffer(raw, dtype=dtype)
    if datatype == "BOOL":
        truths: NDArray[np.bool_] = array != 0  # a byte beyond 0 and 1 would be no truth value to NumPy
        return truths
    return _widened(array) if datatype == "BF16" else array


def write_tensor(values: NDArray[np.generic]) -> bytes:
    """The values' raw bytes; texts become BYTES, all else keeps its type."""
    if values.dtype.kind in "biuf":
        return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
    return write_texts(map(str, values.reshape(-1).tolist()))


def write_texts(texts: Iterable[str]) -> bytes:
    """Each text in UTF-8 behind its length."""
    listed = list(texts)
    written = {text: _with_length(text.encode("utf-8", "replace")) for text in set(listed)}  # labels are few
    return b"".join(map(written.__getitem__, listed))


def datatype_of(values: NDArray[np.generic]) -> Datatype:
    """The protocol's name of the array's type; BYTES for texts."""
    name: Datatype = _NAMES.get(values.dtype, "BYTES")
    return name


def _with_length(text: bytes) -> bytes:
    return _LENGTH.pack(len(text)) + text


def _texts(name: str, count: int, raw: Raw) -> list[Any]:
    data, end, place = bytes(raw), len(raw), 0
    found: list[Any] = []
    try:
        while place < end:
            start = place + 4
            place = start + _LENGTH.unpack_from(data, place)[0]
            if place > end:
                raise RequestError(
                    f"the tensor {shown(name)}: text {len(found) + 1} ends beyond the tensor's {end:,} bytes",
                    remedy="send each text behind its length in four bytes, little-endian",
                )
            found.append(data[start:place].decode())
    except UnicodeDecodeError as error:
        raise RequestError(
            f"the tensor {shown(name)}: text {len(found) + 1} is no UTF-8: {error.reason}", remedy="send texts in UTF-8"
        ) from None
    except struct.error:
        raise RequestError(
            f"the tensor {shown(name)} ends in the middle of a text's length",
            remedy="send each text behind its length in four bytes, little-endian",
        ) from None
    if len(found) != count:
        raise RequestError(f"the tensor {shown(name)} holds {len(found):,} texts", remedy=f"send {count:,}")
    return found


def _widened(halves: NDArray[np.uint16]) -> NDArray[np.float32]:
    """BF16 is the upper half of FP32, and no type that NumPy has."""
    return (halves.astype("<u4") << 16).view("<f4")


_LENGTH = struct.Struct("<I")
_DTYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(code)
    for name, code in {
        "BOOL": "u1", "UINT8": "u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "INT8": "i1", "INT16": "<i2",
        "INT32": "<i4", "INT64": "<i8", "FP16": "<f2", "BF16": "<u2", "FP32": "<f4", "FP64": "<f8",
    }.items()
}  # fmt: skip
_NAMES: dict[np.dtype[Any], Any] = {dtype: name for name, dtype in _DTYPES.items() if name not in ("BOOL", "BF16")}
_NAMES[np.dtype(np.bool_)] = "BOOL"
