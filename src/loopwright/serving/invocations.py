"""What `/invocations` speaks, for SageMaker's and MLflow's clients alike: CSV, JSON, JSON lines and Arrow."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from loopwright.bundle.outputs import Outputs
from loopwright.bundle.records import Signature
from loopwright.errors import RequestError
from loopwright.serving.arrow_streams import ARROW, read_stream, write_stream
from loopwright.serving.compression import UnsupportedMediaError
from loopwright.serving.tabular import Rows, from_columns, from_positions, from_records, shown

JSON, JSON_LINES, CSV = "application/json", "application/jsonlines", "text/csv"
_NAMES = {"application/x-jsonlines": JSON_LINES, "application/jsonl": JSON_LINES, "application/x-ndjson": JSON_LINES}
SHAPES = "instances, inputs, dataframe_records, dataframe_split"


def decode_rows(
    body: bytes, content_type: str, signature: Signature, *, max_rows: int = 100_000, max_bytes: int = 32 * 1024 * 1024
) -> Rows:
    """The rows in `body`. Raises `RequestError` that names the row, the column, or what is expected instead.

    `max_rows` and `max_bytes` bound what a small body may unfold to.
    """
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower() or JSON
    kind = _NAMES.get(kind, kind)
    if parameters:
        _check_charset(parameters)
    if kind == JSON:
        return _json(_decode(body), signature)
    if kind == JSON_LINES:
        lines = [_decode(line) for line in body.splitlines() if line.strip()]
        return from_records([_line(line) for line in lines], signature, "the body")
    if kind == CSV:
        return _csv(body, parameters, signature)
    if kind == ARROW:
        return read_stream(body, signature, max_rows, max_bytes)
    raise UnsupportedMediaError(
        f"the content type is {shown(kind)}", remedy=f"send {CSV}, {JSON}, {JSON_LINES} or {ARROW}"
    )


def encode_rows(outputs: Outputs, accept: str) -> tuple[str, bytes]:
    """The answer's content type and bytes: what is accepted of JSON (the default), CSV, JSON lines and Arrow.

    JSON is `{"predictions": [...]}`: a number a row, or an object of named outputs where a model has several. CSV has
    a line a row and no header, with a cell for each output, and for each class of one that is as wide. An Arrow stream
    has a column for each output.
    """
    accepted = accept.lower()
    if ARROW in accepted:
        return ARROW, write_stream(outputs)
    if CSV in accepted:
        return CSV, _write_csv(outputs)
    rows = _rows(outputs)
    if any(name in accepted for name in (JSON_LINES, *_NAMES)):
        return JSON_LINES, b"\n".join(orjson.dumps(row) for row in rows) + b"\n"
    return JSON, orjson.dumps({"predictions": rows})


def _check_charset(parameters: str) -> None:
    _, said, charset = parameters.lower().replace(" ", "").replace('"', "").partition("charset=")
    if said and charset.partition(";")[0] not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaError(f"the charset is {shown(charset)}", remedy="send UTF-8")


def _decode(body: bytes) -> Any:
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"the body is no JSON: {error}", remedy=f"send {JSON} with one of: {SHAPES}") from None


def _json(document: Any, signature: Signature) -> Rows:
    if isinstance(document, list):
        return from_records(document, signature, "the body")
    if isinstance(document, dict):
        found = [name for name in _READERS if name in document]
        if len(found) == 1:
            return _READERS[found[0]](document[found[0]], signature)
    raise RequestError(f"the body is {_outline(document)}", remedy=f"send an object with exactly one of: {SHAPES}")


def _instances(value: Any, signature: Signature) -> Rows:
    """A list of rows, or columns by name."""
    if isinstance(value, dict):
        return from_columns(value, "inputs")
    if isinstance(value, list):
        return from_records(value, signature, "instances")
    raise RequestError(f"the rows are {shown(value)}", remedy="send a list of rows, or an object of columns")


def _split(value: Any, signature: Signature) -> Rows:
    names, data = (value.get("columns"), value.get("data")) if isinstance(value, dict) else (None, None)
    if not isinstance(names, list) or not isinstance(data, list) or not all(isinstance(name, str) for name in names):
        raise RequestError("dataframe_split lacks columns or data", remedy='send {"columns": [...], "data": [[...]]}')
    if len(set(names)) < len(names):
        raise RequestError("dataframe_split names a column twice", remedy="send each column once")
    return from_positions(data, names, "dataframe_split")


def _line(document: Any) -> Any:
    return document["features"] if isinstance(document, dict) and list(document) == ["features"] else document


def _csv(body: bytes, parameters: str, signature: Signature) -> Rows:
    try:
        rows = [row for row in csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise RequestError(f"the body is no CSV in UTF-8: {error}", remedy="send comma-separated rows") from None
    names = [one.name for one in signature.inputs]
    if rows and _has_header(rows[0], parameters, signature):
        names, rows = [name.strip() for name in rows[0]], rows[1:]
        if len(set(names)) < len(names):
            raise RequestError("the CSV header names a column twice", remedy="send each column once")
    return from_positions([[cell or None for cell in row] for row in rows], names, "the CSV")


def _has_header(first: Sequence[str], parameters: str, signature: Signature) -> bool:
    said = parameters.replace(" ", "").lower()
    if "header=" in said:
        return "header=present" in said
    cells = {cell.strip() for cell in first}
    required = {one.name for one in signature.inputs if one.required}
    return required <= cells if required else bool(cells & {one.name for one in signature.inputs})


def _rows(outputs: Outputs) -> list[Any]:
    table = {name: values.tolist() for name, values in outputs.items()}
    if len(table) == 1:
        return list(*table.values())
    return [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]


def _write_csv(outputs: Outputs) -> bytes:
    cells: list[list[Any]] = []
    for values in outputs.values():
        cells += values.T.tolist() if values.ndim == 2 else [values.tolist()]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(zip(*cells, strict=True))
    return text.getvalue().encode()


def _outline(document: Any) -> str:
    if isinstance(document, dict):
        return "an object with " + (", ".join(shown(name) for name in list(document)[:5]) or "no fields")
    return shown(document)


_DECODER = msgspec.json.Decoder()
_READERS = {
    "instances": _instances,
    "inputs": _instances,
    "dataframe_records": _instances,
    "dataframe_split": _split,
}
