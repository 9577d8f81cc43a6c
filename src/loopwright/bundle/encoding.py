"""Features to a matrix: what a fitted `Encoding` does to raw columns, the same in training and in serving.

number      see `loopwright.bundle.values`.
boolean     likewise.
category    its text's place in the vocabulary. A text that is not there but spells a number or a truth value is looked
            up as that: 3, 3.0, "3" and "3.0" are one category, so are True, "true" and "True".
date        its parts, of the UTC moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopwright.bundle.blocks import Block, matrix_of, rows_of
from loopwright.bundle.records import Encoding, FeatureColumn
from loopwright.bundle.values import (
    DATE_PARTS,
    MISSING,
    Matrix,
    booleans,
    category_text,
    category_texts,
    date_parts,
    misfit,
    moment,
    moments,
    numbers,
    parts_of,
    plain,
    truth,
    without_infinities,
)
from loopwright.errors import RequestError

__all__ = [
    "Columns",
    "Encoder",
    "category_text",
    "category_texts",
    "date_parts",
    "encode",
    "matrix_names",
    "matrix_width",
]

Columns = Mapping[str, "list[Any] | NDArray[Any]"]
"""Raw rows by column: equally long lists (JSON values, None where missing) or arrays."""

UNSEEN = -1.0


def encode(encoding: Encoding, columns: Columns) -> Matrix:
    """The matrix `[n, len(encoding.names)]` of `columns`, each row from itself alone.

    Raises `RequestError` that names the column, what was expected and what came. Where the same encoding is used
    again and again, keep an `Encoder`.
    """
    return Encoder(encoding)(columns)


class Encoder:
    """An `Encoding` made ready: vocabularies as tables, columns by their places in the matrix."""

    def __init__(self, encoding: Encoding) -> None:
        """Raises `ValueError` where the encoding's names are not those that its columns make."""
        self.width = len(encoding.names)
        self._columns = [_ready(column) for column in encoding.columns]
        self._names = tuple(column.name for column in encoding.columns)
        self._all_numbers = all(column.kind == "number" for column in encoding.columns)
        made = sum(column.width for column in self._columns)
        if made != self.width:
            raise ValueError(f"the encoding names {self.width} matrix columns, but its features make {made}")

    def __call__(self, columns: Columns) -> Matrix:
        """The matrix of `columns`. Raises `RequestError`."""
        if type(columns) is Block:
            matrix = matrix_of(columns) if self._all_numbers and columns.names == self._names else None
            if matrix is not None:
                return matrix
            columns = columns.columns()
        rows = rows_of(columns)
        few = self._few_rows(columns, rows) if rows <= _FEW else None
        return self._many_rows(columns, rows) if few is None else few

    def _few_rows(self, columns: Columns, rows: int) -> Matrix | None:
        """The matrix by one conversion, as calls cost more than values here; None where that does not go through."""
        try:
            lists: list[Any] = [columns[name] for name in self._names]
            if set(map(type, lists)) != {list} or set(map(len, lists)) != {rows}:
                return None
            if not self._all_numbers:
                lists = [column.few(values) for column, values in zip(self._columns, lists, strict=True)]
            flat = np.array(list(chain.from_iterable(lists)), dtype=np.float64)
        except (KeyError, ValueError, TypeError, OverflowError):
            return None
        if flat.shape != (self.width * rows,):
            return None
        return np.ascontiguousarray(without_infinities(flat).reshape(self.width, rows).T)

    def _many_rows(self, columns: Columns, rows: int) -> Matrix:
        matrix, place = np.empty((rows, self.width), dtype=np.float64), 0
        for column in self._columns:
            values = columns.get(column.name)
            if values is None:
                raise RequestError(f"the column {column.name!r} is missing", remedy="send it with every row")
            try:
                matrix[:, place : place + column.width] = column.many(values)
            except (ValueError, TypeError, OverflowError):
                raise misfit(column.name, column.expected, values, column.many) from None
            place += column.width
        return matrix


def matrix_width(column: FeatureColumn) -> int:
    """How many matrix columns a feature makes."""
    return len(column.parts) if column.kind == "date" else 1


def matrix_names(columns: Iterable[FeatureColumn]) -> tuple[str, ...]:
    """The names of the matrix columns that `columns` make: a date's parts as `<column>.<part>`."""
    return tuple(
        name
        for column in columns
        for name in ([f"{column.name}.{part}" for part in column.parts] if column.kind == "date" else [column.name])
    )


_FEW = 16
_REMEMBERED = 10_000
_SHORT = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class _Ready:
    """A feature made ready. `many`: values to `[n, width]`. `few`: a list to `width` times `n` would-be floats."""

    name: str
    width: int
    expected: str
    many: Callable[[Any], Matrix]
    few: Callable[[list[Any]], list[Any]]


def _ready(column: FeatureColumn) -> _Ready:
    if column.kind == "date":
        return _ready_date(column)
    if column.kind == "category":
        table = _Vocabulary({text: float(place) for place, text in enumerate(column.vocabulary)})
        expected, convert, one = "a text, a number or a truth value", table.places, table.__getitem__
    elif column.kind == "boolean":
        expected, convert, one = "true or false", booleans, truth
    else:
        return _Ready(name=column.name, width=1, expected="a number", many=lambda v: numbers(v)[:, None], few=list)
    return _Ready(
        name=column.name,
        width=1,
        expected=expected,
        many=lambda values: convert(values)[:, None],
        few=lambda values: [one(value) for value in values],
    )


def _ready_date(column: FeatureColumn) -> _Ready:
    unknown = [part for part in column.parts if part not in DATE_PARTS]
    if unknown:
        raise ValueError(f"{column.name}: {unknown[0]!r} is no part of a date")
    return _Ready(
        name=column.name,
        width=len(column.parts),
        expected="a date in ISO 8601, or seconds since 1970",
        many=lambda values: date_parts(moments(values), column.parts),
        few=lambda values: _parts_in_turn(values, column.parts),
    )


def _parts_in_turn(values: list[Any], parts: Sequence[str]) -> list[float]:
    if len(values) == 1:
        return parts_of(moment(values[0]), parts)
    return list(chain.from_iterable(zip(*(parts_of(moment(value), parts) for value in values), strict=True)))


class _Vocabulary(dict[Any, float]):
    """Places by text; what is not there as it stands is brought to text first, and may be missing or unseen."""

    def __missing__(self, value: Any) -> float:
        text = category_text(value)
        if text is None:
            return MISSING
        place = self.get(text)
        if place is None:
            place = self.get(_as_value(text), UNSEEN)
            if len(self) < _REMEMBERED and len(text) <= _SHORT:
                self[text] = place
        return place

    def places(self, values: list[Any] | NDArray[Any]) -> Matrix:
        """A place for each value. Raises `TypeError` for a value that cannot be a category."""
        if isinstance(values, np.ndarray):
            if values.dtype.kind in "biufM" and len(values) > _FEW:
                different, inverse = np.unique(values, return_inverse=True)
                return self.places(plain(different).tolist())[inverse]
            values = plain(values).tolist()
        return np.fromiter(map(self.__getitem__, values), dtype=np.float64, count=len(values))


def _as_value(text: str) -> str | None:
    """A text that spells a number or a truth value, as `category_text` writes that value."""
    folded = text.strip().lower()
    if folded in ("true", "false"):
        return folded
    try:
        return category_text(float(folded))
    except (ValueError, OverflowError):
        return None
