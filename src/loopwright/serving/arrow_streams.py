"""Arrow IPC streams: columns to rows, without a copy where Arrow and NumPy lay values out alike; and outputs back.

A stream comes from anywhere, so nothing of it is believed: types, rows and sizes are looked at before anything is
allocated for them, and each batch is validated whole before its first value is read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loopwright.bundle.outputs import Outputs
from loopwright.bundle.records import Signature
from loopwright.errors import RequestError
from loopwright.serving.arrow_messages import unpacked_bytes
from loopwright.serving.tabular import FEW, Rows, shown

ARROW = "application/vnd.apache.arrow.stream"


def read_stream(body: bytes, signature: Signature, max_rows: int, max_bytes: int) -> Rows:
    """The rows of all batches, columns by name; columns that the signature does not name may be of any type.

    Raises `RequestError` that names the column, what was expected and what came; also where the stream is damaged,
    holds more than `max_rows` rows, or would take more than `max_bytes` once decompressed.
    """
    try:
        if unpacked_bytes(body) > max_bytes:
            raise RequestError(
                f"the Arrow stream holds more than {max_bytes:,} bytes, unpacked", remedy="send fewer rows at once"
            )
        with pa.ipc.open_stream(pa.py_buffer(body)) as reader:
            known = {one.name for one in signature.inputs}
            names = _names(reader.schema, known)
            batches = _batches(reader, max_rows)
        parts = [{name: _values(batch.column(name), name, max_bytes) for name in names} for batch in batches]
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise RequestError(f"the body is no Arrow stream: {shown(str(error))}", remedy=f"send {ARROW}") from None
    count = sum(batch.num_rows for batch in batches)
    columns = {name: _joined([part[name] for part in parts]) for name in names} if parts else {}
    if count <= FEW:
        return Rows({name: array.tolist() for name, array in columns.items()}, count)
    return Rows(dict(columns), count)


def write_stream(outputs: Outputs) -> bytes:
    """The outputs as a stream of one batch: a column each, a list of fixed length where an output is as wide."""
    batch = pa.record_batch({name: _column(values) for name, values in outputs.items()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream


def _names(schema: pa.Schema, known: set[str]) -> list[str]:
    """The columns to read: those whose type can be read."""
    names: list[str] = schema.names
    if len(set(names)) < len(names):
        raise RequestError("the Arrow stream names a column twice", remedy="send each column once")
    readable = []
    for field in schema:
        if pa.types.is_null(field.type) and field.name not in known:
            continue  # it takes no room in the stream, and much outside of it
        if _readable(field.type):
            readable.append(field.name)
        elif field.name in known:
            raise RequestError(
                f"the column {shown(field.name)} is of the Arrow type {shown(str(field.type))}",
                remedy="send numbers, truth values, texts, dates, moments, or dictionaries of them",
            )
    return readable


def _readable(kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_dictionary(kind):
        return not types.is_dictionary(kind.value_type) and _readable(kind.value_type)
    return bool(
        types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_date(kind)
        or types.is_timestamp(kind) or types.is_null(kind) or types.is_string(kind) or types.is_large_string(kind)
        or types.is_string_view(kind)
    )  # fmt: skip


def _batches(reader: pa.RecordBatchReader, max_rows: int) -> list[pa.RecordBatch]:
    batches, count = [], 0
    for batch in reader:
        count += batch.num_rows
        if count > max_rows:
            raise RequestError(
                f"the request holds {count:,} rows or more", remedy=f"send {max_rows:,} at most, or use batch"
            )
        batch.validate(full=True)
        batches.append(batch)
    return batches


def _values(array: pa.Array, name: str, max_bytes: int) -> NDArray[Any]:
    """The column as NumPy has it: NaN, NaT or None where a number, a moment or anything else is missing."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _looked_up(array, name, max_bytes)
    if pa.types.is_string_view(kind) and _viewed_bytes(array) > max_bytes:
        raise RequestError(f"the column {shown(name)} holds more than {max_bytes:,} bytes", remedy="send fewer rows")
    if pa.types.is_integer(kind) and array.null_count:
        return np.array(array.to_pylist(), dtype=np.object_)  # exact, where floats would round
    values: NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return _moments(values, name) if values.dtype.kind == "M" else values


def _moments(values: NDArray[np.datetime64], name: str) -> NDArray[np.datetime64]:
    years = values.astype("M8[Y]")
    if ((years < _YEAR_1) | (years > _YEAR_9999)).any():
        raise RequestError(f"the column {shown(name)} holds a moment beyond the year 9999", remedy="send it as null")
    return values.astype("M8[us]")


def _looked_up(array: pa.DictionaryArray, name: str, max_bytes: int) -> NDArray[Any]:
    table = np.empty(len(array.dictionary) + 1, dtype=np.object_)
    table[:-1] = _values(array.dictionary, name, max_bytes).tolist()
    codes = array.indices.cast(pa.int64()).fill_null(len(table) - 1)
    found: NDArray[Any] = table[codes.to_numpy()]
    return found


def _viewed_bytes(array: pa.Array) -> int:
    """How long the texts are together: views may all look at the same bytes, so they can be more than were sent."""
    heads = np.frombuffer(array.buffers()[1], dtype="<i4")[4 * array.offset :][: 4 * len(array) : 4]
    return int(heads.sum(dtype=np.int64))


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _column(values: NDArray[np.generic]) -> pa.Array:
    if values.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).reshape(-1)), values.shape[1])
    return pa.array(values) if values.dtype.kind in "biuf" else pa.array(values.tolist(), pa.string())


_YEAR_1, _YEAR_9999 = np.datetime64("0001", "Y"), np.datetime64("9999", "Y")
