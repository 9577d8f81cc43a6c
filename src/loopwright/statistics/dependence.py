"""Which rows may resemble each other, and how far a figure over them is off: standard errors with their freedom."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil, pi, sqrt

import numpy as np

from loopwright.statistics.arrays import AnyArray, Floats, Places

FEWEST_MOMENTS = 10
"""Moments below which nothing is said of rows in order."""
FEWEST_BLOCKS = 20
"""Blocks of rows in order below which it is not asked how their sum leans: it would be known too badly."""
FEWEST_CLUSTERS = 20
"""Clusters below which those of rows in order are left aside: few of them would know their own spread too badly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dependence:
    """Rows of different `unit` [rows], 0 … `units` - 1, are independent; where `ordered`, the nearer the more alike.

    Rows in order may be of `clusters` too, which come again and again: then the greater error of the two counts.
    """

    unit: Places | None = field(default=None, repr=False)
    units: int
    rows: int
    ordered: bool = False
    clusters: Dependence | None = None

    @property
    def independent(self) -> bool:
        """Whether each row stands for itself."""
        return self.unit is None and not self.ordered


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """A figure's standard `error`, the degrees of `freedom` with which it is known, and how its distribution leans:
    its third standardized moment, 0 where nothing can be said of it.
    """

    error: float
    freedom: float
    skew: float = 0.0


def independent(rows: int) -> Dependence:
    """Rows that have nothing to do with each other."""
    return Dependence(units=rows, rows=rows)


def in_clusters(clusters: AnyArray) -> Dependence:
    """Rows of equal `clusters` [rows] (a customer's, a store's) may resemble each other."""
    return _by_unit(clusters, ordered=False)


def in_order(moments: AnyArray, clusters: Dependence | None = None) -> Dependence:
    """Rows of one moment, and of moments near each other, may resemble each other: `moments` [rows]."""
    found = _by_unit(moments, ordered=True)
    some = clusters is not None and not clusters.independent and clusters.units >= FEWEST_CLUSTERS
    return replace(found, clusters=clusters) if some else found


def spread(influence: Floats, dependence: Dependence) -> Spread | None:
    """The standard error of a figure whose `influence` [rows] sums to zero; None with too few units to tell.

    Units that are independent: the jackknife over units (MacKinnon, Nielsen & Webb, 2023, "Cluster-robust inference",
    CV3), each with its share of rows as its leverage. Units in order: the mean of squared cosine sums of the lowest
    frequencies (Lazarus, Lewis, Stock & Watson, 2018, "HAR inference", EWC). Their number is 0.4 units ** (2/3), and
    fewer where the first autocorrelation, with its standard error on top, says that the spectrum would fall by more
    than 1 % over them, were it that of an AR(1). Freedom falls further with the kurtosis of the units' sums
    (Satterthwaite, 1946): a variance that rests on few rows, as that of the rarer class does, is known badly.
    """
    if dependence.units < (FEWEST_MOMENTS if dependence.ordered else 2):
        return None
    sums, sizes = _unit_sums(influence, dependence)
    freedom = min(dependence.units - 1.0, _freedom(sums))
    if not dependence.ordered:
        kept = sums / (1 - sizes / dependence.rows)
        return Spread(error=sqrt(float((kept**2).mean()) * (dependence.units - 1)) / dependence.rows, freedom=freedom)
    alike = _alike(sums)
    cosines = _cosine_sums(sums, _frequencies(sums, alike))
    error = sqrt(2 * float((cosines**2).mean())) / dependence.rows
    found = Spread(error=error, freedom=1 / (1 / len(cosines) + 1 / freedom), skew=_skew(sums, alike))
    other = None if dependence.clusters is None else spread(influence, dependence.clusters)
    return found if other is None or other.error <= found.error else other


def _by_unit(values: AnyArray, ordered: bool) -> Dependence:
    names, unit = np.unique(values, return_inverse=True)
    whole = len(names) == len(unit) and (not ordered or bool((np.diff(unit) > 0).all()))
    return Dependence(unit=None if whole else unit.astype(np.int64), units=len(names), rows=len(unit), ordered=ordered)


def _unit_sums(influence: Floats, dependence: Dependence) -> tuple[Floats, Floats | float]:
    """Each unit's sum, and how many rows it has."""
    if dependence.unit is None:
        return influence, 1.0
    sums: Floats = np.bincount(dependence.unit, weights=influence, minlength=dependence.units).astype(np.float64)
    return sums, np.bincount(dependence.unit, minlength=dependence.units).astype(np.float64)


def _freedom(sums: Floats) -> float:
    """Twice the squared mean of a variance over its own variance: the units for normal sums, fewer with heavy tails."""
    squares = sums**2
    known, off = float(squares.sum()), float((squares**2).sum())
    return max(1.0, 2 * known**2 / (off - known**2 / len(sums))) if off > known**2 / len(sums) else len(sums)


def _alike(sums: Floats) -> float:
    """The first autocorrelation, with its standard error on top."""
    total = float((sums**2).sum())
    alike = max(0.0, float((sums[1:] * sums[:-1]).sum())) / total if total else 0.0
    return min(1.0, alike + 1 / sqrt(len(sums)))


def _skew(sums: Floats, alike: float) -> float:
    """Of the sum of all, from those of blocks as long as an AR(1) remembers; 0 where there are too few of them."""
    length = ceil((1 + alike) / max(1 - alike, 1e-9))
    blocks = len(sums) // length
    if blocks < FEWEST_BLOCKS:
        return 0.0
    found = sums[: blocks * length].reshape(blocks, length).sum(axis=1)
    found = found - found.mean()
    variance = float((found**2).mean())
    return float((found**3).mean()) / variance**1.5 / sqrt(blocks) if variance else 0.0


def _frequencies(sums: Floats, alike: float) -> int:
    most: float = 0.4 * len(sums) ** (2 / 3)
    flat = len(sums) * (1 - alike) / pi * sqrt(0.03 / alike)
    return max(4, min(ceil(most), int(flat)))


def _cosine_sums(sums: Floats, number: int) -> Floats:
    """Of the frequencies 1 … `number`: sum of `sums` times cos(pi k (t + 1/2) / n), up to its sign."""
    mirrored = np.concatenate([sums, sums[::-1]])
    found: Floats = np.abs(np.fft.rfft(mirrored)[1 : number + 1]) / 2
    return found
