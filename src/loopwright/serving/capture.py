"""Predictions as Parquet segments (`traffic.predictions` says what one holds)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from loopwright.bundle.records import Output
from loopwright.serving.batch import Batch
from loopwright.serving.typed import as_arrow
from loopwright.traffic.predictions import INPUT, OUTPUT, row_ids

PIECE = 1024
"""So many moments are converted at once."""


def segment(batch: Batch, rest: Callable[[], None] = lambda: None) -> pa.Table:
    """The batch as a table. After each column there may be a `rest`."""
    live = batch.live
    redacted = {*live.revision.capture.redact, *live.model.manifest.redact}
    table = {}
    for name, fact in _facts(batch, rest):
        table[name] = fact
        rest()
    for column in live.model.inputs:
        if column.name not in redacted:
            table[INPUT + column.name] = as_arrow(column.kind, batch.columns[column.name])
            rest()
    for output in live.model.manifest.signature.outputs:
        table[OUTPUT + output.name] = _output(output, batch.outputs[output.name])
        rest()
    return pa.table(table)


def write_segment(table: pa.Table) -> memoryview:
    """The table as a Parquet file."""
    sink = pa.BufferOutputStream()
    # A dictionary pays where values repeat; for numbers it takes more time than all the rest. What compacts segments
    # compresses them harder, and takes no time from requests.
    texts = [field.name for field in table.schema if field.type == pa.string() and field.name != "prediction_id"]
    pq.write_table(table, sink, compression="snappy", use_dictionary=texts)
    return memoryview(sink.getvalue())


def _facts(batch: Batch, rest: Callable[[], None]) -> Iterator[tuple[str, pa.Array | pa.ChunkedArray]]:
    live = batch.live
    yield "prediction_id", _ids(batch)
    yield "endpoint", _constant(live.revision.endpoint, batch.rows, pa.string())
    yield "revision", _constant(live.revision.number, batch.rows, pa.int64())
    yield "variant", _constant(live.variant.name, batch.rows, pa.string())
    yield "version", _constant(live.variant.version, batch.rows, pa.int64())
    yield "at", _repeated(_moments(batch.at, rest), batch)
    yield "key", pa.array(batch.keys, pa.string())
    yield "latency_ms", _repeated(pa.array(batch.latencies), batch)
    yield "shadow", _constant(live.variant.shadow, batch.rows, pa.bool_())


def _moments(at: Sequence[datetime], rest: Callable[[], None]) -> pa.ChunkedArray:
    """In pieces: each of them costs as much as ten numbers do."""
    kind, pieces = pa.timestamp("us", "UTC"), []
    for first in range(0, len(at), PIECE):
        pieces.append(pa.array(at[first : first + PIECE], kind))
        rest()
    return pa.chunked_array(pieces, kind)


def _ids(batch: Batch) -> pa.Array:
    """What `row_ids` says of each request, of all of them at once."""
    ids = pa.array(batch.ids, pa.string())
    if batch.rows == batch.requests:
        return ids
    ends = pa.array(["", *row_ids("", int(batch.counts.max()))], pa.string())
    counts, begins = (np.repeat(one, batch.counts) for one in (batch.counts, np.cumsum(batch.counts) - batch.counts))
    places = np.where(counts == 1, 0, np.arange(batch.rows) - begins + 1)
    return pc.binary_join_element_wise(_repeated(ids, batch), ends.take(pa.array(places)), "")


def _output(output: Output, values: NDArray[Any]) -> pa.Array:
    if output.width:
        flat = pa.array(np.ascontiguousarray(values, dtype=np.float64).reshape(-1))
        return pa.FixedSizeListArray.from_arrays(flat, output.width)
    if output.kind == "text":
        return pa.array(values.tolist(), pa.string())
    return pa.array(values.astype(np.float64, copy=False))


def _constant(value: Any, count: int, kind: pa.DataType) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), count)


def _repeated(values: pa.Array | pa.ChunkedArray, batch: Batch) -> pa.Array | pa.ChunkedArray:
    """A value for each request, as one for each of its rows."""
    if batch.rows == batch.requests:
        return values
    return values.take(pa.array(np.repeat(np.arange(batch.requests), batch.counts)))
