"""A model of where another one errs: learned from test rows in an evaluation, asked by the monitors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.statistics.trees import Tree, predict_sum

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class LossColumn:
    """A raw input as a number: itself, or its place in `values`, NaN where it is none of them."""

    name: str
    kind: Literal["number", "category"]
    values: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class LossModel:
    """Trees for |error| and for its square, over the prediction and then `columns`; the means are the test rows'."""

    columns: tuple[LossColumn, ...]
    absolute: tuple[Tree, ...]
    squared: tuple[Tree, ...]
    mean_absolute: float
    mean_squared: float

    def losses(self, rows: pl.DataFrame, scores: Floats) -> tuple[Floats, Floats]:
        """|error| and its square to be expected [n] where `scores` [n] is predicted for `rows`; a column may lack."""
        features = loss_features(self.columns, rows, scores)
        return np.maximum(predict_sum(self.absolute, features), 0), np.maximum(predict_sum(self.squared, features), 0)


def loss_features(columns: Sequence[LossColumn], rows: pl.DataFrame, scores: Floats) -> Floats:
    """The prediction and the columns as numbers, [n, 1 + columns]."""
    return np.column_stack([scores, *(_numbers(column, rows, len(scores)) for column in columns)])


def _numbers(column: LossColumn, rows: pl.DataFrame, count: int) -> Floats:
    if column.name not in rows.columns:
        return np.full(count, np.nan)
    values = rows[column.name]
    if column.kind == "number":
        return values.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    places = {value: float(place) for place, value in enumerate(column.values)}
    return values.cast(pl.String).replace_strict(places, default=np.nan, return_dtype=pl.Float64).to_numpy()
