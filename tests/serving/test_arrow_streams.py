"""Arrow IPC streams: columns by name, whatever their Arrow type, and nothing believed that a stream says of itself."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.bundle.records import Input, Signature
from loopwright.errors import RequestError
from loopwright.serving.arrow_messages import unpacked_bytes
from loopwright.serving.arrow_streams import read_stream, write_stream
from loopwright.serving.tabular import Rows

SIGNATURE = Signature(inputs=(Input(name="x", kind="number"), Input(name="shop", kind="text")), outputs=())
LIMIT = 2**20


def stream(*tables: pa.Table, compression: str | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, tables[0].schema, options=options) as writer:
        for table in tables:
            writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def read(*tables: pa.Table, max_rows: int = 1000, max_bytes: int = LIMIT, compression: str | None = None) -> Rows:
    return read_stream(stream(*tables, compression=compression), SIGNATURE, max_rows, max_bytes)


MOMENT = datetime.fromisoformat("2026-01-02T03:00:00")
COLUMNS: list[tuple[pa.Array, list[Any]]] = [
    (pa.array([1.5, 2.5]), [1.5, 2.5]),
    (pa.array([1.5, 2.5], pa.float16()), [1.5, 2.5]),
    (pa.array([1, None], pa.int8()), [1, None]),
    (pa.array([2**60 + 1, None]), [2**60 + 1, None]),
    (pa.array([True, None]), [True, None]),
    (pa.array([False, True]), [False, True]),
    (pa.array(["a", None]), ["a", None]),
    (pa.array(["a", "é" * 20], pa.large_string()), ["a", "é" * 20]),
    (pa.array(["a", "é" * 20], pa.string_view()), ["a", "é" * 20]),
    (pa.array(["a", None]).dictionary_encode(), ["a", None]),
    (pa.array([3, 3], pa.uint16()).dictionary_encode(), [3, 3]),
    (pa.array([date(2026, 1, 2), None]), [datetime.fromisoformat("2026-01-02"), None]),
    (pa.array([MOMENT, None], pa.timestamp("s")), [MOMENT, None]),
    (pa.array([datetime(2026, 1, 2, 3, tzinfo=UTC), None], pa.timestamp("ns", "Europe/Berlin")),
     [MOMENT, None]),
    (pa.nulls(2), [None, None]),
]  # fmt: skip


@pytest.mark.parametrize(("column", "expected"), COLUMNS, ids=[str(one.type) for one, _ in COLUMNS])
def test_a_column_of_every_type_in_few_rows_and_in_many(column: pa.Array, expected: list[Any]) -> None:
    found = read(pa.table({"x": column}))
    values = found.columns["x"]
    assert isinstance(values, list)
    assert found.count == 2
    assert values == expected
    many = read(*[pa.table({"x": column})] * 20)
    assert isinstance(many.columns["x"], np.ndarray)
    assert (many.columns["x"].tolist(), many.count) == (values * 20, 40)


def test_a_missing_number_is_nan() -> None:
    values = read(pa.table({"x": pa.array([1.5, None])})).columns["x"]
    assert np.isnan(values[1])


def test_numbers_are_looked_at_where_they_lie() -> None:
    body = stream(pa.table({"x": np.arange(100.0)}))
    values = read_stream(body, SIGNATURE, 1000, LIMIT).columns["x"]
    assert np.shares_memory(values, np.frombuffer(body, dtype=np.uint8))


def test_dictionaries_may_change_from_batch_to_batch() -> None:
    table = pa.concat_tables([pa.table({"shop": pa.array([name]).dictionary_encode()}) for name in "abc"])
    assert read(table).columns == {"shop": ["a", "b", "c"]}


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_compressed_buffers_are_read_within_bounds(compression: str) -> None:
    table = pa.table({"x": np.zeros(5000), "shop": pa.array(["a"] * 5000).dictionary_encode()})
    found = read(table, max_rows=5000, compression=compression)
    assert (found.count, found.columns["shop"][0]) == (5000, "a")
    size = unpacked_bytes(stream(table, compression=compression))
    assert 40_000 + 20_000 <= size <= 40_000 + 20_000 + 1000
    assert unpacked_bytes(stream(table)) == 0
    with pytest.raises(RequestError, match="more than 10,000 bytes, unpacked"):
        read(table, max_rows=5000, max_bytes=10_000, compression=compression)


def test_columns_that_are_not_asked_for_may_be_anything() -> None:
    assert read(pa.table({"x": [1.0], "more": [[1, 2]]})).columns == {"x": [1.0]}


def test_texts_that_are_views_of_the_same_bytes_are_counted_each() -> None:
    view = pa.array(["x" * 1000], pa.string_view())
    views = pa.Array.from_buffers(
        pa.string_view(), 2000, [None, pa.py_buffer(view.buffers()[1].to_pybytes()[:16] * 2000), view.buffers()[2]]
    )
    with pytest.raises(RequestError, match="'shop' holds more than 1,048,576 bytes"):
        read(pa.table({"shop": views}), max_rows=2000)


TWICE = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
FAR = pa.array([10**13], pa.timestamp("s"))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pa.table({"x": [[1.0]]}), "the column 'x' is of the Arrow type 'list<item: double>'"),
        (pa.table({"shop": [b"a"]}), "the column 'shop' is of the Arrow type 'binary'"),
        (TWICE, "names a column twice"),
        (pa.table({"x": pa.nulls(2000)}), "holds 2,000 rows or more: send 1,000 at most"),
        (pa.table({"x": FAR}), "'x' holds a moment beyond the year 9999"),
    ],
)
def test_what_does_not_fit_is_named(table: pa.Table, said: str) -> None:
    with pytest.raises(RequestError) as raised:
        read(table)
    assert said in f"{raised.value.message}: {raised.value.remedy}"


GOOD = stream(pa.table({"x": np.arange(20.0), "shop": ["a"] * 20}), compression="zstd")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(GOOD)), st.binary(max_size=8))
def test_a_damaged_stream_is_refused_or_read_but_never_a_crash(place: int, noise: bytes) -> None:
    damaged = GOOD[:place] + noise + GOOD[place + len(noise) :]
    for body in (damaged, GOOD[:place]):
        with suppress(RequestError):
            assert read_stream(body, SIGNATURE, 1000, LIMIT).count <= 20


def test_garbage_is_no_stream() -> None:
    for body in (b"", b"{}", b"\xff" * 100):
        with pytest.raises(RequestError, match="no Arrow stream"):
            read_stream(body, SIGNATURE, 1000, LIMIT)


def test_outputs_are_columns() -> None:
    outputs: dict[str, Any] = {
        "probabilities": np.array([[0.25, 0.75], [np.nan, 1.0]]), "label": np.array(["b", "é"]), "n": np.array([1, 2]),
    }  # fmt: skip
    table = pa.ipc.open_stream(write_stream(outputs)).read_all()
    assert table.schema.types == [pa.list_(pa.float64(), 2), pa.string(), pa.int64()]
    assert table["label"].to_pylist() == ["b", "é"]
    assert table["probabilities"].to_pylist()[0] == [0.25, 0.75]
