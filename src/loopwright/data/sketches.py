"""What a profile remembers of a column between batches: bounded in size, exact for small data, alike on every run."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

POINTS = 4096
"""Points kept of each batch; a quantile is off by at most about one rank in twice as many."""

DISTINCT = 1 << 14
"""Distinct values counted exactly; above, the standard error of the estimate is 1 / sqrt(DISTINCT), 0.8 %."""

COMMON = 4096
"""Values whose counts are kept. With more distinct values, a count can be short by the rarest ones left out."""


class Quantiles:
    """Quantiles of numbers that come in sorted batches: equally spaced ranks of each, merged and thinned by weight."""

    def __init__(self) -> None:
        self._values: NDArray[np.float64] = np.empty(0)
        self._weights: NDArray[np.float64] = np.empty(0)

    def add(self, rising: NDArray[np.float64]) -> None:
        """Take in a sorted batch."""
        kept = min(len(rising), POINTS)
        places = ((np.arange(kept) + 0.5) * len(rising) / kept).astype(np.int64) if kept else np.empty(0, np.int64)
        self._values = np.concatenate([self._values, rising[places]])
        self._weights = np.concatenate([self._weights, np.full(kept, len(rising) / max(kept, 1))])
        if len(self._values) > 16 * POINTS:
            self._thin(4 * POINTS)

    def at(self, shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """The values below which those shares (0 to 1) of the numbers lie, interpolated between neighbours."""
        values, middles, total = self._sorted()
        # Of n values with weight 1 the first stands at share 0 and the last at share 1, as in NumPy's own rule.
        first, last = middles[0], middles[-1]
        return np.interp(first + shares * (last - first) if total == len(values) else shares * total, middles, values)

    def shares_below(self, bounds: NDArray[np.float64]) -> NDArray[np.float64]:
        """The share of the numbers that lie below each bound."""
        values, middles, total = self._sorted()
        return np.interp(bounds, values, middles / total)

    def _sorted(self) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        order = np.argsort(self._values, kind="stable")
        weights = self._weights[order]
        reached = np.cumsum(weights)
        return self._values[order], reached - weights / 2, float(reached[-1])

    def _thin(self, kept: int) -> None:
        values, middles, total = self._sorted()
        wanted = (np.arange(kept) + 0.5) * total / kept
        self._values = values[np.minimum(np.searchsorted(middles, wanted), len(values) - 1)]
        self._weights = np.full(kept, total / kept)


class Distinct:
    """How many distinct values there are, by their smallest hashes (k minimum values, Bar-Yossef et al., 2002)."""

    def __init__(self) -> None:
        self._smallest: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)

    def add(self, hashes: NDArray[np.uint64]) -> None:
        """Take in the hashes of values; the same ones may come again."""
        if not self.exact:
            hashes = hashes[hashes < self._smallest[-1]]
        merged = np.sort(np.concatenate([self._smallest, hashes]))
        self._smallest = np.concatenate([merged[:1], merged[1:][merged[1:] != merged[:-1]]])[: DISTINCT + 1]

    @property
    def exact(self) -> bool:
        """Whether `count` is exact: every value's hash is still there."""
        return len(self._smallest) <= DISTINCT

    def count(self) -> int:
        """The number of distinct values, exact or estimated from how densely their hashes lie."""
        if self.exact:
            return len(self._smallest)
        return round(DISTINCT / (float(self._smallest[DISTINCT]) / 2.0**64))


class Common:
    """The commonest values with their counts: exact while there are few, else those that stand out in some batch."""

    def __init__(self) -> None:
        self._counts: pl.DataFrame | None = None

    def add(self, values: pl.Series, counts: NDArray[np.int64]) -> None:
        """Take in a batch's values, each once, with how often each stands in it."""
        batch = pl.DataFrame({"value": values, "count": counts})
        merged = batch if self._counts is None else pl.concat([self._counts, batch])
        merged = merged.group_by("value").agg(pl.col("count").sum())
        self._counts = merged.sort(["count", "value"], descending=[True, False]).head(COMMON)

    def most(self, wanted: int) -> pl.DataFrame:
        """The `wanted` commonest as `value` and `count`, the commonest first."""
        assert self._counts is not None, "asked before anything was taken in"
        return self._counts.head(wanted)
