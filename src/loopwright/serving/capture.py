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
from loopwright.serving.endpoints import LiveVariant
from loopwright.serving.recorder import Served
from loopwright.serving.router import place
from loopwright.serving.tabular import Values, key_text
from loopwright.serving.typed import as_arrow, gathered
from loopwright.traffic.predictions import INPUT, OUTPUT


def sampled(records: Sequence[Served]) -> list[Served]:
    """The records that the endpoint's capture policy keeps: by their prediction id, so that a share is a fair one."""
    share = records[0].live.revision.capture.share if records else 0.0
    if share >= 1:
        return list(records)
    return [one for one in records if place("capture", one.prediction_id) < 100 * share]


def segment(records: Sequence[Served]) -> pa.Table:
    """One variant's records as a table."""
    live = records[0].live
    rows = [one.rows for one in records]
    redacted = {*live.revision.capture.redact, *live.model.manifest.redact}
    table = _facts(records, rows, live, redacted)
    for column in live.model.inputs:
        if column.name not in redacted:
            parts = [(one.columns.get(column.name), one.rows) for one in records]
            table[INPUT + column.name] = as_arrow(column.kind, gathered(parts))
    for output in live.model.manifest.signature.outputs:
        table[OUTPUT + output.name] = _output(output, [one.outputs[output.name] for one in records])
    return pa.table(table)


def write_segment(table: pa.Table) -> bytes:
    """The table as a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def _facts(records: Sequence[Served], rows: list[int], live: LiveVariant, redacted: set[str]) -> dict[str, pa.Array]:
    total = sum(rows)
    return {
        "prediction_id": pa.array(chain.from_iterable(map(_ids, records)), pa.string()),
        "endpoint": _constant(live.revision.endpoint, total, pa.string()),
        "revision": _constant(live.revision.number, total, pa.int64()),
        "variant": _constant(live.variant.name, total, pa.string()),
        "version": _constant(live.variant.version, total, pa.int64()),
        "at": _repeated([one.at for one in records], rows, pa.timestamp("us", "UTC")),
        "key": pa.array(chain.from_iterable(_keys(one, redacted) for one in records), pa.string()),
        "latency_ms": _repeated([one.latency_ms for one in records], rows, pa.float64()),
    }


def _ids(record: Served) -> Sequence[str]:
    if record.rows == 1:
        return (record.prediction_id,)
    return [f"{record.prediction_id}:{row}" for row in range(record.rows)]


def _keys(record: Served, redacted: set[str]) -> Sequence[str | None]:
    """What outcomes are joined by: the model's key column; else the request's key, else what made it sticky."""
    own = _column(record, record.live.model.manifest.key, redacted)
    if own is not None:
        return [key_text(value) for value in own]
    if record.key is not None:
        return [record.key] * record.rows
    sticky = _column(record, record.live.revision.sticky_by, redacted)
    return [None] * record.rows if sticky is None else [key_text(value) for value in sticky]


def _column(record: Served, name: str | None, redacted: set[str]) -> Values | None:
    return None if name is None or name in redacted else record.columns.get(name)


def _output(output: Output, parts: list[NDArray[np.generic]]) -> pa.Array:
    values = np.concatenate(parts)
    if output.width:
        flat = pa.array(np.ascontiguousarray(values, dtype=np.float64).reshape(-1))
        return pa.FixedSizeListArray.from_arrays(flat, output.width)
    if output.kind == "text":
        return pa.array(values.tolist(), pa.string())
    return pa.array(values.astype(np.float64, copy=False))


def _constant(value: Any, count: int, kind: pa.DataType) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), count)


def _repeated(values: list[Any], rows: list[int], kind: pa.DataType) -> pa.Array:
    array = pa.array(values, kind)
    return array if sum(rows) == len(rows) else array.take(pa.array(np.repeat(np.arange(len(rows)), rows)))
