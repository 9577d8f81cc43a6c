"""How far a metric could be off: bootstrap intervals over rows, blocks of rows or clusters.

Rows are first dealt into at most `UNITS` units, whose sums are then drawn with replacement: a unit is a row while there
are few; above, a random group of rows, a group of clusters, or a run of consecutive rows. Drawing the sums of random
groups gives the spread that drawing rows gives (Wolter, "Introduction to Variance Estimation", 2007, ch. 2), with a
relative error of about 1 / sqrt(2 * UNITS), 1.6 %, which is below the 2.2 % of noise that 1000 resamples have.
A figure of ranks is not one of sums: up to `EXACT_ROWS` rows each resample is ranked; above, the figure is taken as its
value plus the mean influence of the rows drawn (Efron's infinitesimal jackknife, 1982), on the logit scale so that it
stays between 0 and 1. What that leaves out is of the order of 1 / rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

import numpy as np

from loopwright.statistics.arrays import AnyArray, Floats, Places
from loopwright.statistics.statistic import Statistic, Sums

UNITS = 2_000
EXACT_ROWS = 2_000
RESAMPLES = 1_000

_LEAST = 50  # resamples with a meaning, below which no bound is given


@dataclass(frozen=True, kw_only=True, slots=True)
class Resampling:
    """Which rows are drawn again: made once by `by_rows`, `by_blocks` or `by_clusters`, and used for every metric.

    `unit` [rows] is each row's unit; `counts` [resamples, units] how often each resample draws each unit.
    """

    unit: Places = field(repr=False)
    counts: Floats = field(repr=False)

    @property
    def rows(self) -> int:
        return len(self.unit)


def by_rows(rows: int, *, seed: int = 0, resamples: int = RESAMPLES) -> Resampling:
    """Rows drawn one by one, as though each had nothing to do with the others."""
    return _dealt(np.arange(rows), rows, seed, resamples)


def by_clusters(clusters: AnyArray, *, seed: int = 0, resamples: int = RESAMPLES) -> Resampling:
    """Whole clusters drawn: rows of equal `clusters` [rows] (a customer's, a store's) stay together."""
    names, code = np.unique(clusters, return_inverse=True)
    return _dealt(code.astype(np.int64), len(names), seed, resamples)


def by_blocks(rows: int, *, length: int | None = None, seed: int = 0, resamples: int = RESAMPLES) -> Resampling:
    """Blocks of `length` consecutive rows drawn from a ring (Politis & Romano, 1992): for rows in order.

    The default length grows as rows ** (1/3), the optimal rate for the variance of a mean (Künsch, 1989; Hall,
    Horowitz & Jing, 1995).
    """
    wanted = length or ceil(round(rows ** (1 / 3), 9))
    run = max(1, ceil(rows / UNITS))
    units = ceil(rows / run)
    block = min(max(1, round(wanted / run)), units)
    rng = np.random.default_rng(seed)
    starts = _counts(units, max(1, round(units / block)) if units else 0, rng, resamples)
    return Resampling(unit=np.arange(rows, dtype=np.int64) // run, counts=_covered(starts, block))


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A figure with its two-sided percentile interval; the bounds are None where too few resamples had a meaning."""

    value: float
    low: float | None
    high: float | None
    confidence: float
    resamples: int


def interval(statistic: Statistic, resampling: Resampling, *, confidence: float = 0.95) -> Interval | None:
    """The statistic with its interval; None where it has no value. `confidence` is two-sided."""
    value = statistic.value()
    if not np.isfinite(value):
        return None
    values = resampled(statistic, resampling)
    tail = (1 - confidence) / 2
    low, high = _bounds(values, tail, 1 - tail)
    return Interval(value=value, low=low, high=high, confidence=confidence, resamples=len(values))


def resampled(statistic: Statistic, resampling: Resampling) -> Floats:
    """The statistic of each resample, [resamples]; NaN where it has no meaning there."""
    if statistic.rows != resampling.rows:
        raise ValueError(f"the statistic is over {statistic.rows} rows, the resampling over {resampling.rows}")
    if not isinstance(statistic, Sums) and statistic.rows > EXACT_ROWS:
        statistic = _linear(statistic)
    if isinstance(statistic, Sums):
        return statistic.finish(resampling.counts @ statistic.by_group(resampling.unit, resampling.counts.shape[1]))
    return np.array([statistic.value(count[resampling.unit]) for count in resampling.counts])


def _dealt(code: Places, codes: int, seed: int, resamples: int) -> Resampling:
    units = min(codes, UNITS)
    rng = np.random.default_rng(seed)
    unit = rng.permutation(codes) % max(1, units)
    return Resampling(unit=unit[code], counts=_counts(units, units, rng, resamples))


def _counts(units: int, drawn: int, rng: np.random.Generator, resamples: int) -> Floats:
    """How often each of `units` is drawn when `drawn` are, with replacement: [resamples, units]."""
    places = rng.integers(0, max(1, units), size=(resamples, drawn))
    places += np.arange(resamples)[:, None] * units
    found = np.bincount(places.ravel(), minlength=resamples * units)
    return found.reshape(resamples, units).astype(np.float64)


def _covered(starts: Floats, length: int) -> Floats:
    """How often each place of a ring is covered by blocks of `length` that start where `starts` [some, places] say."""
    if length <= 1:
        return starts
    reached = np.cumsum(np.concatenate([starts[:, -length + 1 :], starts], axis=1), axis=1)
    covered: Floats = reached[:, length - 1 :].copy()
    covered[:, 1:] -= reached[:, :-length]
    return covered


def _linear(statistic: Statistic) -> Sums:
    """The statistic's first-order change with the weights, on the logit scale where it lies between 0 and 1."""
    value = statistic.value()
    if not 0 < value < 1:
        return Sums(statistic.rows, 1, ((0, 1.0),), lambda sums: np.full(sums.shape[:-1], value))

    def finish(sums: Floats) -> Floats:
        moved = sums[..., 0] / sums[..., 1] / (value * (1 - value))
        return 1 / (1 + (1 - value) / value * np.exp(-moved))

    return Sums(statistic.rows, 2, ((0, statistic.influence()), (1, 1.0)), finish)


def _bounds(values: Floats, low: float, high: float) -> tuple[float | None, float | None]:
    known = values[np.isfinite(values)]
    if len(known) < max(_LEAST, len(values) / 2):
        return None, None
    lower, upper = np.quantile(known, [low, high])
    return float(lower), float(upper)
