"""What a dataset version looks like, column by column, found in one pass over batches in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.data.kinds import DTYPES
from loopwright.data.records import ColumnKind, ColumnProfile, DatasetVersion, Profile
from loopwright.data.snapshot import load_rows, stored_rows
from loopwright.ports.storage import Storage
from loopwright.statistics.arrays import AnyArray, Floats, Places
from loopwright.statistics.sketch import (
    DistinctSketch,
    Moments,
    QuantileSketch,
    TopCounts,
    add_counts,
    merge_moments,
    moments_of,
    number_keys,
)

BATCH = 1 << 18
"""Rows looked at together; memory is bounded by a few times their size."""

COMMON = 4096
"""Values of a column whose counts are kept; with more distinct values than that, counts may fall short."""

TOP = 50
QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
BINS = 32


def profile_rows(
    version: DatasetVersion, storage: Storage, scratch: Path, progress: Callable[[str, float], None] | None = None
) -> Profile:
    """The profile of all rows of `version`: one pass over batches, so memory does not grow with the rows.

    Counts of rows and nulls, extremes and moments are exact; quantiles, histogram and distinct values are exact for
    small data and estimates above (see `statistics.sketch`). Equal versions give equal profiles.
    """
    rows = load_rows(version, storage, scratch)
    columns = [_Column(name, version.kinds[name]) for name in rows.collect_schema()]
    done = 0
    with stored_rows(version), ThreadPoolExecutor(os.cpu_count()) as pool:
        for batch in rows.collect_batches(chunk_size=BATCH, maintain_order=True):
            list(pool.map(_Column.add, columns, batch.get_columns()))
            done += batch.height
            if progress:
                progress(f"profiling {done:,} of {version.rows:,} rows", done / version.rows)
    return Profile(digest=version.digest, rows=version.rows, columns=tuple(column.profile() for column in columns))


class _Column:
    """One column, as far as it has been seen."""

    def __init__(self, name: str, kind: ColumnKind) -> None:
        self.name, self.kind = name, kind
        self.rows = self.nulls = 0
        self.distinct = DistinctSketch()
        self.top = TopCounts()
        self.words: dict[int, str] = {}
        self.numbers = _Numbers(kind)

    def add(self, values: pl.Series) -> None:
        self.rows += len(values)
        self.nulls += values.null_count()
        known = values.drop_nulls()
        if known.is_empty():
            return
        if self.kind in ("text", "boolean"):
            self._add_words(known.cast(pl.String))
        else:
            self._add_numbers(known.to_physical().to_numpy())

    def profile(self) -> ColumnProfile:
        figures = self.numbers.figures() if self.numbers.moments.count else {}
        distinct, exact = self.distinct.count, self.distinct.exact
        if self.numbers.moments.count and self.numbers.each_more:  # then no value stands twice: no need to estimate
            distinct, exact = self.numbers.moments.count, True
        return ColumnProfile(
            name=self.name,
            kind=self.kind,
            rows=self.rows,
            nulls=self.nulls,
            distinct=distinct,
            distinct_exact=exact,
            top=self.top.top(TOP),
            **figures,
        )

    def _add_words(self, known: pl.Series) -> None:
        codes = known.hash(seed=0)
        unique, counts = _runs(np.sort(codes.to_numpy()))
        self.distinct.add(unique)
        unique, counts, lost = _outstanding(unique, counts)
        self._learn(unique, codes, known)
        names = [self.words[code] for code in unique.tolist()]
        self._count(names, counts, lost)

    def _add_numbers(self, values: AnyArray) -> None:
        rising = np.sort(values)
        self.numbers.add(values, rising)
        unique, counts = _runs(rising)
        self.distinct.add(number_keys(unique))
        unique, counts, lost = _outstanding(unique, counts)
        names = pl.Series(unique).cast(DTYPES[self.kind]).cast(pl.String)
        self._count(names.to_list(), counts, lost)

    def _learn(self, unique: AnyArray, codes: pl.Series, known: pl.Series) -> None:
        """Remember which words the codes stand for: looking a few up costs less than counting words themselves."""
        new = [code for code in unique.tolist() if code not in self.words]
        if len(self.words) + len(new) > 4 * COMMON:
            self.words, new = {}, unique.tolist()
        if new:
            rows = pl.DataFrame({"code": codes, "word": known})
            wanted = pl.Series(new, dtype=pl.UInt64).implode()
            self.words |= dict(rows.filter(pl.col("code").is_in(wanted)).unique("code").iter_rows())

    def _count(self, names: list[str], counts: Places, lost: int) -> None:
        self.top = add_counts(self.top, dict(zip(names, counts.tolist(), strict=True)), lost=lost, cap=COMMON)


class _Numbers:
    """Figures of a column of numbers, or of dates as seconds since 1970."""

    def __init__(self, kind: ColumnKind) -> None:
        self.kind = kind
        self.moments = Moments()
        self.sketch = QuantileSketch()
        self.never_less = self.each_more = True
        self.last: Any = None

    def add(self, values: AnyArray, rising: AnyArray) -> None:
        """Take in a batch, as its rows have it and sorted."""
        self._follow(values)
        floats = rising.astype(np.float64, copy=False) * _SECONDS.get(self.kind, 1.0)
        self.moments = merge_moments(self.moments, moments_of(floats))
        self.sketch.add(floats)

    def figures(self) -> dict[str, Any]:
        moments = self.moments
        found = self.sketch.quantiles(QUANTILES) or []
        return {
            "minimum": moments.minimum,
            "maximum": moments.maximum,
            "mean": moments.mean,
            "deviation": moments.deviation,
            "quantiles": {str(share): value for share, value in zip(QUANTILES, found, strict=True)},
            "histogram": self._histogram(),
            "rising": self.never_less and moments.minimum < moments.maximum,
        }

    def _follow(self, values: AnyArray) -> None:
        """Whether the values still rise from row to row."""
        if not self.never_less:
            return
        before = values[:1] if self.last is None else np.array([self.last], dtype=values.dtype)
        values = np.concatenate([before, values]) if self.last is not None else values
        self.never_less = bool(np.all(values[1:] >= values[:-1]))
        self.each_more = self.each_more and bool(np.all(values[1:] > values[:-1]))
        self.last = values[-1]

    def _histogram(self) -> tuple[tuple[float, ...], tuple[int, ...]]:
        """Counts in bins of one width; scaled up from the sketch's sample where that is not all."""
        edges = _edges(self.moments.minimum, self.moments.maximum, self.kind)
        sample = np.sort(self.sketch.sample())
        below = np.searchsorted(sample, edges[1:-1]) * (self.moments.count / len(sample))
        reached = np.concatenate([[0], np.rint(below), [self.moments.count]])
        return tuple(edges.tolist()), tuple(np.diff(reached).astype(int).tolist())


_SECONDS = {"date": 86400.0, "datetime": 1e-6}
"""What one step of a date's stored number is in seconds."""


def _edges(low: float, high: float, kind: ColumnKind) -> Floats:
    """Edges of bins of one width; whole numbers that are few get a bin each."""
    if kind == "integer" and high - low < BINS and max(abs(low), abs(high)) < 2**50:
        return np.arange(low, high + 2) - 0.5
    if low == high:
        room = max(0.5, abs(low) * 1e-6)
        return np.array([low - room, high + room])
    shares = np.linspace(0, 1, BINS + 1)
    return np.unique(low * (1 - shares) + high * shares)


def _runs(rising: AnyArray) -> tuple[AnyArray, Places]:
    """The distinct values of a sorted array, and how often each stands in it."""
    changes = rising[1:] != rising[:-1]
    if changes.all():
        return rising, np.ones(len(rising), dtype=np.int64)
    ends = np.append(np.flatnonzero(changes), len(rising) - 1)
    counts = ends.copy()
    counts[1:] -= ends[:-1]
    counts[0] += 1
    return rising[ends], counts


def _outstanding(unique: AnyArray, counts: Places) -> tuple[AnyArray, Places, int]:
    """Of very many values the commonest, their counts, and the greatest count left out; ties are left out together."""
    if len(counts) <= COMMON:
        return unique, counts, 0
    at_least = np.cumsum(np.bincount(counts)[::-1])[::-1]
    least = int(np.searchsorted(-at_least, -COMMON))
    above: NDArray[np.bool_] = counts >= least
    return unique[above], counts[above], least - 1
