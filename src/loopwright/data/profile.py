"""What a dataset version looks like, column by column, found in one pass over batches in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.data.kinds import DTYPES
from loopwright.data.records import ColumnKind, ColumnProfile, DatasetVersion, Profile
from loopwright.data.sketches import COMMON, Common, Distinct, Quantiles
from loopwright.data.snapshot import load_rows
from loopwright.ports.storage import Storage

BATCH = 1 << 18
"""Rows looked at together; memory is bounded by a few times their size."""

TOP = 50
QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
BINS = 32


def profile_rows(
    version: DatasetVersion, storage: Storage, scratch: Path, progress: Callable[[str, float], None] | None = None
) -> Profile:
    """The profile of all rows of `version`: one pass over batches, so memory does not grow with the rows.

    Counts, extremes and moments are exact. Quantiles and the histogram are exact up to 4,096 rows and off by at most
    about 0.05 % in rank above; see `sketches` for distinct and commonest values. Equal rows give equal profiles.
    """
    rows = load_rows(version, storage, scratch)
    columns = [_Column(name, version.kinds[name]) for name in rows.collect_schema()]
    done = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for batch in rows.collect_batches(chunk_size=BATCH, maintain_order=True):
            list(pool.map(_add, columns, batch.get_columns()))
            done += batch.height
            if progress:
                progress(f"profiling {done:,} of {version.rows:,} rows", done / version.rows)
    return Profile(digest=version.digest, rows=version.rows, columns=tuple(column.profile() for column in columns))


def _add(column: _Column, values: pl.Series) -> None:
    column.add(values)


class _Column:
    """One column, as far as it has been seen. Words stand as hashes in the sketches; `words` says what they mean."""

    def __init__(self, name: str, kind: ColumnKind) -> None:
        self.name = name
        self.kind = kind
        self.rows = 0
        self.nulls = 0
        self.distinct = Distinct()
        self.common = Common()
        self.words: dict[int, str] = {}
        self.numbers = _Numbers(kind)

    def add(self, values: pl.Series) -> None:
        self.rows += len(values)
        self.nulls += values.null_count()
        known = values.drop_nulls()
        if not known.is_empty():
            add = self._add_words if self.kind in ("text", "boolean") else self._add_numbers
            add(known)

    def profile(self) -> ColumnProfile:
        common: dict[str, Any] = {"name": self.name, "kind": self.kind, "rows": self.rows, "nulls": self.nulls}
        if self.nulls == self.rows:
            return ColumnProfile(**common, distinct=0, distinct_exact=True)
        common |= {"distinct": self.distinct.count(), "distinct_exact": self.distinct.exact, "top": self._top()}
        if not self.numbers.count:
            return ColumnProfile(**common)
        if self.numbers.rising and not self.numbers.repeated:  # then no value stands twice: no estimate is needed
            common |= {"distinct": self.numbers.count, "distinct_exact": True}
        return ColumnProfile(**common, **self.numbers.figures())

    def _add_words(self, known: pl.Series) -> None:
        codes = known.hash(seed=0)
        unique, counts = _runs(np.sort(codes.to_numpy()))
        self.distinct.add(unique)
        unique, counts = _outstanding(unique, counts)
        self.common.add(pl.Series(unique), counts)
        self._name(unique, codes, known)

    def _add_numbers(self, known: pl.Series) -> None:
        values = known.to_physical().to_numpy()
        rising = np.sort(values)
        self.numbers.add(values, rising)
        unique, counts = _runs(rising)
        self.distinct.add(pl.Series(unique).hash(seed=0).to_numpy())
        unique, counts = _outstanding(unique, counts)
        self.common.add(pl.Series(unique), counts)

    def _name(self, unique: NDArray[np.uint64], codes: pl.Series, known: pl.Series) -> None:
        """Remember the words behind the codes that are counted, and no others."""
        new = [code for code in unique.tolist() if code not in self.words]
        if new:
            rows = pl.DataFrame({"code": codes, "word": known.cast(pl.String)})
            found = rows.filter(pl.col("code").is_in(pl.Series(new, dtype=pl.UInt64).implode())).unique("code")
            self.words |= dict(found.iter_rows())
        if len(self.words) > 2 * COMMON:
            kept = self.common.most(COMMON)["value"]
            self.words = {code: self.words[code] for code in kept}

    def _top(self) -> tuple[tuple[str, int], ...]:
        most = self.common.most(TOP)
        if self.kind in ("text", "boolean"):
            named = [self.words[code] for code in most["value"]]
        else:
            named = most["value"].cast(DTYPES[self.kind]).cast(pl.String).to_list()
        ranked = sorted(zip(named, most["count"], strict=True), key=lambda pair: (-pair[1], pair[0]))
        return tuple(ranked)


class _Numbers:
    """The extremes, moments and quantiles of a column of numbers or dates (as seconds since 1970)."""

    def __init__(self, kind: ColumnKind) -> None:
        self.kind = kind
        self.count = 0
        self.mean = 0.0
        self.squares = 0.0
        self.minimum = np.inf
        self.maximum = -np.inf
        self.quantiles = Quantiles()
        self.rising = True
        self.repeated = False
        self.last: Any = None

    def add(self, values: NDArray[Any], rising: NDArray[Any]) -> None:
        """Take in a batch, as its rows have it and sorted."""
        self._follow(values)
        ordered = rising.astype(np.float64, copy=False) * _SECONDS.get(self.kind, 1.0)
        self.minimum, self.maximum = min(self.minimum, ordered[0]), max(self.maximum, ordered[-1])
        self.quantiles.add(ordered)
        with np.errstate(over="ignore", invalid="ignore"):
            self._add_moments(pl.Series(ordered))

    def figures(self) -> dict[str, Any]:
        with np.errstate(over="ignore", invalid="ignore"):
            moments = {"mean": self.mean, "deviation": float(np.sqrt(self.squares / self.count))}
        found = self.quantiles.at(np.array(QUANTILES))
        return {
            "minimum": float(self.minimum),
            "maximum": float(self.maximum),
            **{name: value if np.isfinite(value) else None for name, value in moments.items()},
            "quantiles": {str(share): float(value) for share, value in zip(QUANTILES, found, strict=True)},
            "histogram": self._histogram(),
            "rising": self.rising and self.count > 1 and self.minimum < self.maximum,
        }

    def _follow(self, values: NDArray[Any]) -> None:
        """Whether the values still rise from row to row, and whether one stood twice in a row."""
        if not self.rising:
            return
        if self.last is not None:
            values = np.concatenate([[self.last], values]).astype(values.dtype)
        self.rising = bool(np.all(values[1:] >= values[:-1]))
        self.repeated = self.repeated or bool(np.any(values[1:] == values[:-1]))
        self.last = values[-1]

    def _add_moments(self, values: pl.Series) -> None:
        """Merge mean and squared deviations (Chan, Golub, LeVeque, 1983)."""
        count, mean = len(values), np.float64(cast(float, values.mean()))
        squares = cast(float, values.var(ddof=0)) * count
        total, shift = self.count + count, mean - self.mean
        self.mean += shift * count / total
        self.squares += squares + shift * shift * self.count * count / total
        self.count = total

    def _histogram(self) -> tuple[tuple[float, ...], tuple[int, ...]]:
        edges = _edges(float(self.minimum), float(self.maximum), self.kind)
        shares = self.quantiles.shares_below(edges[1:-1])
        reached = np.concatenate([[0], np.rint(np.maximum.accumulate(shares) * self.count), [self.count]])
        return tuple(edges.tolist()), tuple(np.diff(reached).astype(int).tolist())


_SECONDS = {"date": 86400.0, "datetime": 1e-6}
"""What one step of a date's stored number is in seconds."""


def _edges(low: float, high: float, kind: ColumnKind) -> NDArray[np.float64]:
    """Edges of bins of one width; whole numbers that are few get a bin each."""
    if kind == "integer" and high - low < BINS:
        return np.arange(low, high + 2) - 0.5
    if low == high:
        return np.array([low - 0.5, high + 0.5])
    shares = np.linspace(0, 1, BINS + 1)
    return np.unique(low * (1 - shares) + high * shares)


def _runs(rising: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The distinct values of a sorted array, and how often each stands in it."""
    changes = rising[1:] != rising[:-1]
    if changes.all():
        return rising, np.ones(len(rising), dtype=np.int64)
    ends = np.append(np.flatnonzero(changes), len(rising) - 1)
    counts = ends.copy()
    counts[1:] -= ends[:-1]
    counts[0] += 1
    return rising[ends], counts


def _outstanding(unique: NDArray[Any], counts: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Values that stand out among very many: the commonest, without those that tie for the last place."""
    if len(counts) <= COMMON:
        return unique, counts
    by_count = np.bincount(counts)
    at_least = np.cumsum(by_count[::-1])[::-1]
    above = counts >= np.searchsorted(-at_least, -COMMON)
    return unique[above], counts[above]
