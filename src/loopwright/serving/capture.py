"""Predictions as Parquet segments (`traffic.predictions` says what one holds)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from loopwright.bundle.records import Output
from loopwright.serving.batch import Batch
from loopwright.serving.recorder import Served
from loopwright.serving.tabular import Values, key_text
from loopwright.serving.typed import as_arrow
from loopwright.traffic.predictions import INPUT, OUTPUT, row_ids


def segment(batch: Batch) -> pa.Table:
    """The batch as a table."""
    live = batch.live
    redacted = {*live.revision.capture.redact, *live.model.manifest.redact}
    table = _facts(batch, redacted)
    for column in live.model.inputs:
        if column.name not in redacted:
            table[INPUT + column.name] = as_arrow(column.kind, batch.column(column.name))
    for output in live.model.manifest.signature.outputs:
        table[OUTPUT + output.name] = _output(output, batch.output(output.name))
    return pa.table(table)


def write_segment(table: pa.Table) -> bytes:
    """The table as a Parquet file."""
    sink = pa.BufferOutputStream()
    # A dictionary pays where values repeat; for numbers it takes more time than all the rest.
    texts = [field.name for field in table.schema if field.type == pa.string()]
    pq.write_table(table, sink, compression="zstd", use_dictionary=texts)
    return bytes(sink.getvalue())


def _facts(batch: Batch, redacted: set[str]) -> dict[str, pa.Array]:
    live, records = batch.live, batch.records
    return {
        "prediction_id": pa.array(_ids(batch), pa.string()),
        "endpoint": _constant(live.revision.endpoint, batch.rows, pa.string()),
        "revision": _constant(live.revision.number, batch.rows, pa.int64()),
        "variant": _constant(live.variant.name, batch.rows, pa.string()),
        "version": _constant(live.variant.version, batch.rows, pa.int64()),
        "at": _repeated([one.at for one in records], batch, pa.timestamp("us", "UTC")),
        "key": pa.array(_keys(batch, redacted), pa.string()),
        "latency_ms": _repeated(batch.latencies, batch, pa.float64()),
        "shadow": _constant(live.variant.shadow, batch.rows, pa.bool_()),
    }


def _ids(batch: Batch) -> list[str]:
    if batch.rows == len(batch.records):
        return [one.prediction_id for one in batch.records]
    return [name for one in batch.records for name in row_ids(one.prediction_id, one.rows)]


def _keys(batch: Batch, redacted: set[str]) -> Sequence[str | None]:
    """What outcomes are joined by: the model's key column; else the request's key, else what made it sticky."""
    own, sticky = batch.live.model.manifest.key, batch.live.revision.sticky_by
    if batch.blocks:
        own, sticky = (name if name in batch.live.model.names else None for name in (own, sticky))
    if own is None and sticky is None and batch.rows == len(batch.records):
        return [one.key for one in batch.records]
    return list(chain.from_iterable(_keys_of(one, own, sticky, redacted) for one in batch.records))


def _keys_of(record: Served, own: str | None, sticky: str | None, redacted: set[str]) -> Sequence[str | None]:
    found = _column(record, own, redacted)
    if found is not None:
        return [key_text(value) for value in found]
    if record.key is not None:
        return [record.key] * record.rows
    found = _column(record, sticky, redacted)
    return [None] * record.rows if found is None else [key_text(value) for value in found]


def _column(record: Served, name: str | None, redacted: set[str]) -> Values | None:
    return None if name is None or name in redacted else record.columns.get(name)


def _output(output: Output, values: NDArray[Any]) -> pa.Array:
    if output.width:
        flat = pa.array(np.ascontiguousarray(values, dtype=np.float64).reshape(-1))
        return pa.FixedSizeListArray.from_arrays(flat, output.width)
    if output.kind == "text":
        return pa.array(values.tolist(), pa.string())
    return pa.array(values.astype(np.float64, copy=False))


def _constant(value: Any, count: int, kind: pa.DataType) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), count)


def _repeated(values: Any, batch: Batch, kind: pa.DataType) -> pa.Array:
    """A value for each record, as one for each of its rows."""
    array = pa.array(values, kind)
    if batch.rows == len(values):
        return array
    return array.take(pa.array(np.repeat(np.arange(len(values)), batch.counts)))
