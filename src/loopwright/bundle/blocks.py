"""Rows that came as one run of values: columns that are cut out of it only when somebody asks for them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from contextlib import suppress
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = list[Any] | NDArray[Any]


class Block(Mapping[str, Column]):
    """Columns by name over `flat`: the values of the first row, in the order of `names`, then those of the next.

    A model of numbers takes `flat` as it is, which for a row alone costs a tenth of looking at each column. It becomes
    an array then, for whoever needs the values next.
    """

    __slots__ = ("flat", "names", "rows")

    def __init__(self, names: tuple[str, ...], flat: Column, rows: int) -> None:
        """Raises `ValueError` where `flat` does not hold `rows` times as many values as there are names."""
        if len(flat) != rows * len(names):
            raise ValueError(f"{len(flat)} values are not {rows} rows of {len(names)} columns")
        self.names = names
        self.flat = flat
        self.rows = rows

    def __getitem__(self, name: str) -> Column:
        try:
            return self.flat[self.names.index(name) :: len(self.names)]
        except ValueError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def columns(self) -> dict[str, Column]:
        """All columns, cut."""
        if self.rows == 1 and type(self.flat) is list:
            return {name: [value] for name, value in zip(self.names, self.flat, strict=True)}
        width = len(self.names)
        return {name: self.flat[place::width] for place, name in enumerate(self.names)}


def rows_of(columns: Mapping[str, Column]) -> int:
    """How many values each of equally long columns holds; 0 where there is none."""
    return columns.rows if type(columns) is Block else len(next(iter(columns.values()), ()))


def matrix_of(block: Block) -> NDArray[np.float64] | None:
    """The block as numbers, `[rows, columns]`, infinities as NaN; None where a value is no number by itself."""
    flat = _numbers(block.flat)
    if flat is None or flat.ndim != 1:
        return None
    block.flat = flat
    own = flat.copy()  # a user's model may write into what it is given
    if not isfinite(own.dot(own)):  # cheaper than a look at each value, and true of nearly every request
        own[np.isinf(own)] = np.nan
    return own.reshape(block.rows, len(block.names))


def _numbers(values: Column) -> NDArray[np.float64] | None:
    try:
        if type(values) is list:
            with suppress(TypeError):  # None among them, or texts
                return np.frombuffer(array("d", values))  # quicker than NumPy's own way
        return np.asarray(values, dtype=np.float64)
    except (ValueError, TypeError, OverflowError):
        return None
