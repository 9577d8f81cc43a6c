"""Features to matrices, one column in memory at a time: the bundle's encoding, fast for millions of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.bundle.encoding import encode, matrix_names, matrix_width
from loopwright.bundle.frames import frame_columns
from loopwright.bundle.records import Encoding, FeatureColumn
from loopwright.bundle.values import without_infinities
from loopwright.errors import FeatureError
from loopwright.features.columns import Role, fit_column, refit_column

Mask = NDArray[np.bool_]
Read = Callable[[str], pl.Series]
"""A column's values by name, for all rows: from a file when asked, or from memory."""


def fit_encoding(roles: dict[str, Role], read: Read, train: Mask) -> tuple[Encoding, tuple[str, ...]]:
    """The encoding of the columns in `roles`, fitted on the rows `train` marks, and what is worth saying about it.

    Raises `FeatureError` where no column is left.
    """
    if not roles:
        raise FeatureError("there is no feature besides key and time", remedy="make at least one under its own name")
    fitted = [fit_column(read(name).filter(pl.Series(train)), role) for name, role in roles.items()]
    columns = [one.column for one in fitted if one.column is not None]
    notes = tuple(one.note for one in fitted if one.note)
    if not columns:
        raise FeatureError("no feature is left to learn from: " + "; ".join(notes), remedy="bring columns that differ")
    return make_encoding(columns), notes


def refit_encoding(encoding: Encoding, read: Read, train: Mask) -> Encoding:
    """The same features with their vocabularies fitted on the rows `train` marks."""
    return make_encoding([refit_column(one, read(one.name).filter(pl.Series(train))) for one in encoding.columns])


def make_encoding(columns: Sequence[FeatureColumn]) -> Encoding:
    """The encoding that consists of `columns`."""
    places = np.cumsum([0, *(matrix_width(one) for one in columns)])
    return Encoding(
        columns=tuple(columns),
        names=matrix_names(columns),
        categorical=tuple(int(place) for place, one in zip(places, columns, strict=False) if one.kind == "category"),
    )


def fill_matrices(
    encoding: Encoding, read: Read, wanted: Sequence[tuple[Mask, type[np.floating[Any]]]]
) -> list[NDArray[Any]]:
    """A matrix for each mask, in its type: the rows it marks, encoded, column by column in memory (Fortran order)."""
    matrices = [np.empty((int(mask.sum()), len(encoding.names)), dtype=dtype, order="F") for mask, dtype in wanted]
    place = 0
    for column in encoding.columns:
        for values in encoded(column, read(column.name)):
            for matrix, (mask, _) in zip(matrices, wanted, strict=True):
                matrix[:, place] = values[mask]
            place += 1
    return matrices


def encoded(column: FeatureColumn, values: pl.Series) -> list[NDArray[np.float64]]:
    """The matrix columns that `values` make: what `bundle.encoding.encode` gives, each different value encoded once."""
    if column.kind in ("number", "boolean"):
        return [without_infinities(values.cast(pl.Float64).to_numpy(writable=True))]
    values = values.cast(pl.String) if column.kind == "category" else values
    different = values.unique()
    codes = encode(make_encoding([column]), frame_columns(different.to_frame(column.name)))
    return [
        values.replace_strict(different, pl.Series(codes[:, place]), return_dtype=pl.Float64).to_numpy()
        for place in range(codes.shape[1])
    ]
