"""Requests as bytes, and what is found in answers, in each protocol that is measured."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

Frame = pl.DataFrame
ARROW = "application/vnd.apache.arrow.stream"


def post(path: str, body: bytes, content_type: str = "application/json", **headers: str) -> bytes:
    """A whole HTTP request; underscores in the headers' names become hyphens."""
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", f"content-type: {content_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


def post_json(path: str, document: Any) -> bytes:
    return post(path, _json(document))


def slices(rows: pl.DataFrame, size: int, count: int) -> list[pl.DataFrame]:
    """The rows of `count` requests, `size` in each, one after the other and over again where they run out."""
    span = max(1, rows.height - size + 1)
    whole = pl.concat([rows] * (1 + size // rows.height)) if size > rows.height else rows
    return [whole.slice(place * size % span, size) for place in range(count)]


def v2(rows: pl.DataFrame) -> dict[str, Any]:
    """One tensor of shape [n, width]."""
    return {"inputs": [{**_TENSOR, "shape": [rows.height, rows.width], "data": rows.to_numpy().ravel().tolist()}]}


def v2_binary(path: str, rows: pl.DataFrame) -> bytes:
    """The same tensor by the binary tensor extension; the answer is asked for in binary, too."""
    values = np.ascontiguousarray(rows.to_numpy(), dtype="<f8").tobytes()
    tensor = {**_TENSOR, "shape": [rows.height, rows.width], "parameters": {"binary_data_size": len(values)}}
    head = _json({"inputs": [tensor], "outputs": [{"name": "probability", "parameters": {"binary_data": True}}]})
    return post(path, head + values, "application/octet-stream", inference_header_content_length=str(len(head)))


def v2_named(rows: pl.DataFrame) -> dict[str, Any]:
    """A tensor of shape [n] for each column."""
    return {"inputs": [_column(series) for series in rows.get_columns()]}


def arrow(path: str, rows: pl.DataFrame) -> bytes:
    """An Arrow stream of a batch, answered by one."""
    table, sink = rows.to_arrow().combine_chunks(), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return post(path, sink.getvalue().to_pybytes(), ARROW, accept=ARROW)


def records(rows: pl.DataFrame) -> dict[str, Any]:
    """Rows as objects."""
    return {"instances": [{name: _plain(value) for name, value in row.items()} for row in rows.to_dicts()]}


def split(rows: pl.DataFrame) -> dict[str, Any]:
    """Names once, rows as lists: what MLflow's own client sends."""
    return {
        "dataframe_split": {"columns": rows.columns, "data": [[_plain(value) for value in row] for row in rows.rows()]}
    }


def v2_probabilities(answer: bytes) -> list[float]:
    """The numbers of an answer in Open Inference Protocol v2, in JSON."""
    (found,) = [one["data"] for one in json.loads(answer)["outputs"] if one["datatype"].startswith("FP")]
    return list(found)


def binary_probabilities(answer: bytes) -> list[float]:
    """Those of one whose only output is binary."""
    document, end = json.JSONDecoder().raw_decode(answer.decode("latin-1"))
    assert document["outputs"][0]["datatype"] == "FP64"
    return np.frombuffer(answer[end:], dtype="<f8").tolist()


def arrow_probabilities(answer: bytes) -> list[float]:
    return pa.ipc.open_stream(answer).read_all()["probability"].to_pylist()


def predictions(answer: bytes) -> list[float]:
    """Those of an MLflow answer with named outputs."""
    return [one["probability"] for one in json.loads(answer)["predictions"]]


def _column(series: pl.Series) -> dict[str, Any]:
    datatype = "FP64" if series.dtype.is_float() else "BYTES"
    data = [_plain(value) for value in series]
    return {"name": series.name, "shape": [len(data)], "datatype": datatype, "data": data}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


_TENSOR = {"name": "input", "datatype": "FP64"}
