"""Counts that merge: numbers in bins, categories by name, latencies in buckets that grow by a constant factor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, log

import numpy as np

from loopwright.errors import DataError
from loopwright.statistics.arrays import AnyArray, Floats, Places


@dataclass(frozen=True, kw_only=True, slots=True)
class Histogram:
    """Numbers counted in bins. `counts` has one more entry than `edges`: below the first, between, from the last up.

    Bin i holds edges[i-1] <= x < edges[i]; `missing` counts NaN.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]
    missing: int = 0

    @property
    def total(self) -> int:
        """Values counted, the missing ones not."""
        return sum(self.counts)


@dataclass(frozen=True, kw_only=True, slots=True)
class CategoryCounts:
    """Categories counted by name; `other` counts names that are not among them, `missing` nulls."""

    counts: dict[str, int] = field(default_factory=dict)
    other: int = 0
    missing: int = 0

    @property
    def total(self) -> int:
        """Values counted, the missing ones not."""
        return sum(self.counts.values()) + self.other


def edges_from(values: AnyArray, bins: int = 20) -> tuple[float, ...]:
    """Edges for about `bins` bins of equal mass between the least and the greatest finite value of a sample.

    Each value has a bin to itself where there are at most `bins` of them. The open bins below and above hold what the
    sample never showed. Empty where there is no finite value.
    """
    known = np.asarray(values, dtype=np.float64)
    known = known[np.isfinite(known)]
    if not len(known):
        return ()
    distinct = np.unique(known)
    inner = distinct[1:] if len(distinct) <= bins else np.quantile(known, np.arange(1, bins) / bins)
    edges = np.unique(np.concatenate([distinct[:1], inner, [np.nextafter(distinct[-1], np.inf)]]))
    return tuple(edges.tolist())


def count_into(edges: Sequence[float], values: AnyArray) -> Histogram:
    """`values` counted into the bins of `edges` (rising). Infinities fall into the open bins, NaN is missing."""
    found = np.asarray(values, dtype=np.float64)
    absent = np.isnan(found)
    missing = int(absent.sum())
    place = np.searchsorted(np.asarray(edges, dtype=np.float64), found[~absent] if missing else found, side="right")
    counts = np.bincount(place, minlength=len(edges) + 1)
    return Histogram(edges=tuple(map(float, edges)), counts=tuple(counts.tolist()), missing=missing)


def merge(a: Histogram, b: Histogram) -> Histogram:
    """Both as one. Raises `DataError` where their bins differ."""
    if a.edges != b.edges:
        raise DataError(
            f"histograms of {len(a.edges)} and {len(b.edges)} different edges cannot be merged",
            remedy="count both into the edges of one reference",
        )
    counts = tuple(x + y for x, y in zip(a.counts, b.counts, strict=True))
    return Histogram(edges=a.edges, counts=counts, missing=a.missing + b.missing)


def count_categories(values: Iterable[object], known: Iterable[str] | None = None) -> CategoryCounts:
    """`values` counted by name, None as missing; with `known`, all other names are counted together."""
    return categories_from(Counter(None if value is None else str(value) for value in values), known)


def categories_from(found: Mapping[str | None, int], known: Iterable[str] | None = None) -> CategoryCounts:
    """The same from names counted elsewhere (a table's `value_counts`); with `known`, each of them has an entry."""
    named = {name: count for name, count in found.items() if name is not None}
    missing = found.get(None, 0)
    if known is None:
        return CategoryCounts(counts=dict(sorted(named.items())), missing=missing)
    counts = {name: named.pop(name, 0) for name in sorted(set(known))}
    return CategoryCounts(counts=counts, other=sum(named.values()), missing=missing)


def merge_categories(a: CategoryCounts, b: CategoryCounts) -> CategoryCounts:
    """Both as one; names known to one only keep their counts."""
    names = sorted(a.counts.keys() | b.counts.keys())
    counts = {name: a.counts.get(name, 0) + b.counts.get(name, 0) for name in names}
    return CategoryCounts(counts=counts, other=a.other + b.other, missing=a.missing + b.missing)


def aligned(a: CategoryCounts, b: CategoryCounts) -> tuple[Places, Places]:
    """The counts of both over the same names, the last entry for `other`: what tests and divergences compare."""
    names = sorted(a.counts.keys() | b.counts.keys())
    first, second = ([one.counts.get(name, 0) for name in names] + [one.other] for one in (a, b))
    return np.array(first, dtype=np.int64), np.array(second, dtype=np.int64)


def latency_edges(lowest: float = 0.05, highest: float = 100_000.0, error: float = 0.05) -> tuple[float, ...]:
    """Edges that grow by a constant factor, so that `bucket_quantile` is off by at most the share `error`.

    The unit is the caller's; the default suits milliseconds and takes some 150 buckets.
    """
    growth = (1 + error) ** 2
    steps = ceil(log(highest / lowest) / log(growth))
    return tuple(lowest * growth**step for step in range(steps + 1))


def bucket_quantile(edges: Sequence[float], counts: Sequence[int], quantile: float) -> float | None:
    """The value at `quantile` (0 … 1) of positive numbers counted into `edges`; None where nothing was counted.

    The geometric middle of its bucket: off by at most half the bucket's width in logarithms. Outside the edges the
    nearest edge is given, which is a bound and no estimate.
    """
    reached = np.cumsum(counts)
    if not len(reached) or reached[-1] == 0:
        return None
    rank = min(max(ceil(quantile * reached[-1]), 1), int(reached[-1]))
    place = int(np.searchsorted(reached, rank))
    bounds: Floats = np.asarray(edges, dtype=np.float64)
    below, above = bounds[max(place - 1, 0)], bounds[min(place, len(bounds) - 1)]
    return float(np.sqrt(below * above))
