"""Polars frames to columns, for training and serving alike, without importing Polars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl


def frame_columns(frame: pl.DataFrame) -> dict[str, NDArray[Any]]:
    """A frame's columns as arrays: NaN or NaT where a number or date is missing, None where a text or boolean is."""
    return {series.name: series_values(series) for series in frame.get_columns()}


def series_values(series: pl.Series) -> NDArray[Any]:
    """One column of `frame_columns`."""
    values: NDArray[Any] = series.to_numpy()
    return values
