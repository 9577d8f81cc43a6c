"""Two versions' answers to the same rows, held against each other: how far they lie apart, in all and by segment.

Pure NumPy: the control API speaks of these records without Polars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np

from loopwright.bundle.values import category_texts
from loopwright.statistics.arrays import AnyArray, Bools, Floats, Places
from loopwright.statistics.comparison import wilson
from loopwright.statistics.special import normal_quantile

CONFIDENCE = 0.95
VALUES = 20
"""Segments of a column at most: its commonest values, or tenths where it holds more different numbers than this."""

FEWEST = 10
"""A segment of fewer rows says nothing."""

HUGE = 1e100
"""Answers beyond are taken as this, so that sums of squares stay finite."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers:
    """What a version answers to n rows. `values` are numbers [n], or probabilities of k classes [n, k], NaN where there
    is no answer; `labels` are the classes called.
    """

    values: Floats
    labels: tuple[str, ...] | None = None

    @property
    def finite(self) -> Bools:
        known = np.isfinite(self.values)
        return known if known.ndim == 1 else np.asarray(known.all(axis=1))

    def take(self, rows: Bools) -> Answers:
        labels = None if self.labels is None else tuple(np.array(self.labels, dtype=object)[rows])
        return Answers(values=self.values[rows], labels=labels)


@dataclass(frozen=True, kw_only=True, slots=True)
class Segments:
    """Rows by what they have in common: `place` [n] is a place in `names`, or -1 for rows of no segment."""

    names: tuple[str, ...]
    place: Places


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounded:
    """A figure with its interval; the bounds are None where there are too few rows for one."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """The second version's answers minus the first's on the rows where `column` is `value` (both empty: all rows).

    `shift` is the mean difference (of two classes: in the probability of the second; of more: None). The others are of
    the distance between two answers: of numbers how far they lie apart, of probabilities half the sum of how far each
    class's do (the total variation). `changed` is the share of rows whose distance is beyond the tolerance, `flipped`
    of those called another class. `units` are keys or requests, of which the intervals take each as one.
    """

    column: str
    value: str
    rows: int
    units: int
    shift: Bounded | None
    mean: float
    median: float
    p95: float
    changed: Bounded
    flipped: Bounded | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Differences:
    """All rows that both have answered, and their segments. `tolerance` is in the unit of the answers.

    `flips[a][b]` counts rows that the first version calls a and the second b. The interval of `whole` holds at 95 %,
    those of the segments hold all together at 95 % (Bonferroni).
    """

    tolerance: float
    whole: Difference
    segments: tuple[Difference, ...] = ()
    flips: dict[str, dict[str, int]] = field(default_factory=dict)


def compare_answers(
    before: Answers,
    after: Answers,
    segments: Mapping[str, Segments],
    *,
    tolerance: float,
    units: Sequence[Any] | AnyArray | None = None,
) -> Differences | None:
    """`after` against `before`, row by row; None where no row has both. `segments` are by column, of the same rows.

    `tolerance` is in probability, for numbers in standard deviations of `before`. `units` [n] say which rows belong
    together. The interval of a mean takes the sums of units as independent (Cochran, "Sampling Techniques", 1977,
    section 6.3); that of a share is Wilson's of as many rows as there are units, which errs to caution.
    """
    both = before.finite & after.finite
    if not both.any():
        return None
    before, after = before.take(both), after.take(both)
    unit = np.arange(len(both)) if units is None else np.unique(np.asarray(units, dtype=str), return_inverse=True)[1]
    apart = _Apart(before, after, tolerance, unit[both])
    parts = [
        (column, name, one.place[both] == at) for column, one in segments.items() for at, name in enumerate(one.names)
    ]
    parts = [part for part in parts if part[2].any()]
    sure = 1 - (1 - CONFIDENCE) / max(1, len(parts))
    return Differences(
        tolerance=apart.tolerance,
        whole=apart.of("", "", np.ones(len(apart.distance), dtype=bool), CONFIDENCE),
        segments=tuple(apart.of(column, name, inside, sure) for column, name, inside in parts),
        flips=_flips(before, after),
    )


def segment(values: AnyArray | Sequence[Any]) -> Segments:
    """The segments of a raw column: its commonest values, "missing" among them; tenths of many different numbers."""
    array = values if isinstance(values, np.ndarray) else np.array(values, dtype=object)
    if array.dtype.kind in "iuf" and len(np.unique(array[np.isfinite(array)])) > VALUES:
        return tenths(array.astype(np.float64))
    if array.dtype.kind == "M":
        array = array.astype("M8[D]")
    texts = np.array(["missing" if text is None else text for text in category_texts(array)], dtype=object)
    names, counts = np.unique(texts.astype(str), return_counts=True)
    order = np.lexsort((names, -counts))[:VALUES]
    kept = [str(names[at]) for at in order if counts[at] >= FEWEST]
    return _named(kept, texts)


def tenths(values: Floats) -> Segments:
    """Ten segments of about equally many values, in their order, named by their bounds; of equal values there are
    fewer. What is not finite belongs to none.
    """
    finite = np.isfinite(values)
    if not finite.any():
        return Segments(names=(), place=np.full(len(values), -1, dtype=np.int64))
    edges = np.unique(np.quantile(values[finite], np.linspace(0, 1, 11)))
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(0, len(edges) - 2))
    return Segments(names=_bounds(edges), place=np.where(finite, place, -1))


class _Apart:
    """How far two versions' answers lie apart, row by row; figures of any rows follow."""

    def __init__(self, before: Answers, after: Answers, tolerance: float, unit: Places) -> None:
        first, second = (np.clip(one.values, -HUGE, HUGE) for one in (before, after))
        moved = second - first
        numbers = moved.ndim == 1
        self.distance = np.abs(moved) if numbers else np.abs(moved).sum(axis=1) / 2
        self.moved = moved if numbers else moved[:, 1] if moved.shape[1] == 2 else None
        self.tolerance = float(tolerance * (np.std(first) if numbers else 1.0))
        self.changed = self.distance > self.tolerance
        self.flipped = None
        if before.labels is not None and after.labels is not None:
            self.flipped = np.array([a != b for a, b in zip(before.labels, after.labels, strict=True)])
        self.unit = unit

    def of(self, column: str, value: str, inside: Bools, confidence: float) -> Difference:
        distance = self.distance[inside]
        _, unit = np.unique(self.unit[inside], return_inverse=True)
        units = int(unit.max()) + 1
        return Difference(
            column=column,
            value=value,
            rows=len(distance),
            units=units,
            shift=None if self.moved is None else _mean(self.moved[inside], unit, units, confidence),
            mean=float(distance.mean()),
            median=float(np.median(distance)),
            p95=float(np.quantile(distance, 0.95)),
            changed=_share(self.changed[inside], units, confidence),
            flipped=None if self.flipped is None else _share(self.flipped[inside], units, confidence),
        )


def _mean(values: Floats, unit: Places, units: int, confidence: float) -> Bounded:
    mean = float(values.mean())
    if units < 2:
        return Bounded(value=mean, low=None, high=None)
    sums = np.bincount(unit, weights=values - mean, minlength=units)
    reach = normal_quantile((1 + confidence) / 2) * sqrt(float(sums @ sums) * units / (units - 1)) / len(values)
    return Bounded(value=mean, low=mean - reach, high=mean + reach)


def _share(hits: Bools, units: int, confidence: float) -> Bounded:
    share = float(hits.mean())
    low, high = wilson(round(share * units), units, confidence=confidence)
    return Bounded(value=share, low=min(low, share), high=max(high, share))


def _flips(before: Answers, after: Answers) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for a, b in zip(before.labels or (), after.labels or (), strict=True):
        row = found.setdefault(a, {})
        row[b] = row.get(b, 0) + 1
    return found


def _named(names: Sequence[str], texts: AnyArray) -> Segments:
    at = {name: place for place, name in enumerate(names)}
    return Segments(names=tuple(names), place=np.array([at.get(text, -1) for text in texts], dtype=np.int64))


def _bounds(edges: Floats) -> tuple[str, ...]:
    """The names of the segments between edges, with as many digits as tell them apart."""
    for digits in (4, 8, 17):
        texts = [f"{edge:.{digits}g}" for edge in edges]
        if len(set(texts)) == len(texts):
            break
    return tuple(f"{low} to {high}" for low, high in pairwise(texts)) or tuple(texts)
