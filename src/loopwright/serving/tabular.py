"""Rows as clients spell them (records, rows by position, columns) to equally long columns by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopwright.bundle.records import Signature
from loopwright.bundle.values import category_text
from loopwright.errors import RequestError

Values = list[Any] | NDArray[Any]

FEW = 16
"""Up to as many rows travel in lists, as calls into NumPy cost more than their values; more may come in arrays."""


@dataclass(slots=True)
class Rows:
    """`count` rows by column; every column holds `count` values, and all are lists or all are arrays."""

    columns: Mapping[str, Values]
    count: int


def from_columns(columns: Mapping[str, Values], what: str) -> Rows:
    """Columns as they are. Raises `RequestError` where one is no list, or not as long as the others."""
    if set(map(type, columns.values())) == {list} and len(lengths := set(map(len, columns.values()))) == 1:
        return Rows(dict(columns), lengths.pop())
    counts = {}
    for name, values in columns.items():
        if not isinstance(values, list | np.ndarray):
            raise RequestError(
                f"{what}: the column {shown(name)} holds {shown(values)}", remedy="send a list, one value for each row"
            )
        counts[len(values)] = name
    if len(counts) > 1:
        (first, one), (second, other) = sorted(counts.items())[:2]
        raise RequestError(
            f"{what}: the column {shown(one)} has {first} values, {shown(other)} has {second}",
            remedy="send one value for each row and column",
        )
    return Rows({name: _in_array(values) for name, values in columns.items()}, next(iter(counts), 0))


def from_records(records: Sequence[Any], signature: Signature, what: str) -> Rows:
    """Rows as objects, or as lists of values in the signature's order. Raises `RequestError` naming row and column."""
    if records and isinstance(records[0], list):
        return from_positions(records, [one.name for one in signature.inputs], what)
    for number, record in enumerate(records if set(map(type, records)) != {dict} else ()):
        if not isinstance(record, dict):
            raise RequestError(
                f"{what}: row {number + 1} is {shown(record)}",
                remedy="send each row as an object of columns and values",
            )
    if len(records) == 1:
        return Rows({name: [value] for name, value in records[0].items()}, 1)
    return Rows(_alike(records) or _gathered(records, signature, what), len(records))


def from_positions(rows: Sequence[Any], names: Sequence[str], what: str) -> Rows:
    """Rows as lists of values that stand for `names`, in order. Raises `RequestError` naming the row."""
    width = len(names)
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != width:
            found = f"{len(row)} values" if isinstance(row, list) else shown(row)
            raise RequestError(
                f"{what}: row {number + 1} has {found}, but {width} are expected",
                remedy=f"send {', '.join(names)}, in this order",
            )
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return Rows({name: list(values) for name, values in zip(names, columns, strict=True)}, len(rows))


def shown(value: Any) -> str:
    """A client's value in an error message: short, and sound to print."""
    text = "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else repr(value)
    return (text if len(text) <= 80 else text[:77] + "...").encode("ascii", "backslashreplace").decode()


def key_text(value: Any) -> str | None:
    """A key as text: the same for 7, 7.0 and "7"; None for what cannot be a key."""
    try:
        return category_text(value)
    except TypeError:
        return None


def first_key(columns: Mapping[str, Values], name: str | None) -> str | None:
    """What the first row has in the column `name`: a request is answered by one variant, its first row's."""
    column = columns.get(name) if name else None
    if column is None or len(column) == 0:
        return None
    return text_of(column[0])


def text_of(value: Any) -> str | None:
    """A key as text, also where it stands in an array."""
    return key_text(value.item() if isinstance(value, np.generic) else value)


def _alike(records: Sequence[dict[str, Any]]) -> dict[str, Values] | None:
    """The columns of records that all have the same ones, as nearly all requests' have; None where they differ."""
    if len(set(map(len, records))) != 1:
        return None
    try:
        return {name: [record[name] for record in records] for name in records[0]}
    except KeyError:
        return None


def _gathered(records: Sequence[dict[str, Any]], signature: Signature, what: str) -> dict[str, Values]:
    present = {name for record in records for name in record}
    columns: dict[str, Values] = {
        one.name: _required(records, one.name, what) for one in signature.inputs if one.required and one.name in present
    }
    return columns | {name: [record.get(name) for record in records] for name in present - columns.keys()}


def _in_array(values: Values) -> NDArray[Any]:
    return np.fromiter(values, dtype=np.object_, count=len(values)) if isinstance(values, list) else values


def _required(records: Sequence[dict[str, Any]], name: str, what: str) -> list[Any]:
    try:
        return [record[name] for record in records]
    except KeyError:
        row = next(number for number, record in enumerate(records, start=1) if name not in record)
        raise RequestError(
            f"{what}: row {row} lacks the column {name!r}, which other rows have", remedy="send null where unknown"
        ) from None
