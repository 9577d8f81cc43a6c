"""What a dataset version looks like, column by column, found in one pass over batches in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from loopwright.data.records import ColumnProfile, DatasetVersion, Profile
from loopwright.data.snapshot import load_rows
from loopwright.ports.storage import Storage

TOP = 50
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
BINS = 32


def profile_rows(
    version: DatasetVersion, storage: Storage, scratch: Path, progress: Callable[[str, float], None] | None = None
) -> Profile:
    """The profile of all rows of `version`."""
    rows = load_rows(version, storage, scratch).collect()
    columns = []
    for place, name in enumerate(rows.columns):
        if progress:
            progress(f"profiling {name}", place / rows.width)
        columns.append(_column(rows[name], version))
    return Profile(digest=version.digest, rows=version.rows, columns=tuple(columns))


def _column(values: pl.Series, version: DatasetVersion) -> ColumnProfile:
    kind = version.kinds[values.name]
    counts = values.drop_nulls().value_counts(sort=True).head(TOP)
    common: dict[str, Any] = {
        "name": values.name,
        "kind": kind,
        "rows": len(values),
        "nulls": values.null_count(),
        "distinct": values.drop_nulls().n_unique(),
        "distinct_exact": True,
        "top": tuple((str(value), count) for value, count in counts.iter_rows()),
    }
    numbers = _numbers(values)
    if not len(numbers):
        return ColumnProfile(**common)
    counted, edges = np.histogram(numbers, bins=BINS)
    return ColumnProfile(
        **common,
        minimum=float(numbers.min()),
        maximum=float(numbers.max()),
        mean=float(numbers.mean()),
        deviation=float(numbers.std()),
        quantiles={str(q): float(np.quantile(numbers, q)) for q in QUANTILES},
        histogram=(tuple(map(float, edges)), tuple(map(int, counted))),
    )


def _numbers(values: pl.Series) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    kept = values.drop_nulls()
    if values.dtype == pl.String:
        return np.empty(0)
    if values.dtype.is_temporal():
        kept = kept.cast(pl.Datetime("us")).cast(pl.Int64) / 1e6
    return kept.cast(pl.Float64).to_numpy()
