"""Requests as bytes, in each protocol that is measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

Matrix = Sequence[Sequence[float]]


def post(path: str, body: bytes, content_type: str = "application/json", **headers: str) -> bytes:
    """A whole HTTP request; underscores in the headers' names become hyphens."""
    lines = [f"POST {path} HTTP/1.1", "host: 127.0.0.1", f"content-type: {content_type}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


def post_json(path: str, document: Any) -> bytes:
    return post(path, json.dumps(document, separators=(",", ":")).encode())


def slices(rows: pl.DataFrame, size: int, count: int) -> list[pl.DataFrame]:
    """The rows of `count` requests, `size` in each, one after the other and over again where they run out."""
    span = max(1, rows.height - size + 1)
    whole = pl.concat([rows] * (1 + size // rows.height)) if size > rows.height else rows
    return [whole.slice(place * size % span, size) for place in range(count)]


def v2(matrix: Matrix) -> dict[str, Any]:
    """One tensor of shape [n, width]."""
    data = [value for row in matrix for value in row]
    return {"inputs": [{"name": "input", "shape": [len(matrix), len(matrix[0])], "datatype": "FP64", "data": data}]}
