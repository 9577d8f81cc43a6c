"""A row such as a model may be asked about, made from its signature and reference."""

from __future__ import annotations

from typing import Any

from loopwright.bundle.records import InputKind, Reference, ReferenceColumn, Signature


def sample_row(signature: Signature, reference: Reference | None) -> dict[str, list[Any]]:
    """One row of raw columns: ordinary values where the reference knows any, else a plain value of the kind."""
    known = {column.name: column for column in reference.columns} if reference else {}
    return {one.name: [_value(one.kind, known.get(f"input.{one.name}"))] for one in signature.inputs}


def _value(kind: InputKind, column: ReferenceColumn | None) -> Any:
    if column is not None and kind in ("number", "integer") and column.edges:
        middle = column.edges[len(column.edges) // 2]
        return int(middle) if kind == "integer" else middle
    if column is not None and kind == "text" and column.values:
        return column.values[0]
    return _PLAIN[kind]


_PLAIN: dict[InputKind, Any] = {
    "number": 0.0,
    "integer": 0,
    "boolean": False,
    "text": "",
    "date": "2026-01-01",
    "datetime": "2026-01-01T00:00:00",
}
