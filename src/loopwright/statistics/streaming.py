"""Detectors for values that come one after another, such as the losses of predictions: has their mean risen?

Each is a frozen record with `after(values)`, which gives the detector as it stands then, so that it can be kept as JSON
between two looks. NaN is passed over. After an alarm a detector begins anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, log, sqrt
from typing import Protocol, Self

import numpy as np

from loopwright.statistics.arrays import AnyArray, Floats, Places
from loopwright.statistics.special import normal_quantile

BETS: tuple[float, ...] = tuple(float(bet) for bet in np.geomspace(0.01, 0.8, 10))
"""How boldly each part of the e-detector bets on a rise: small bets find small rises, large ones great rises soon."""


class Detector(Protocol):
    """`after(values)` takes values in their order, up to the first alarm: the detector then, and the alarm's place."""

    def after(self, values: AnyArray) -> tuple[Self, int | None]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class EDetector:
    """Values in [0, 1] whose mean was at most `mean` (0 < mean < 1) have risen; false alarms are `run_length` apart.

    The mixture of Shiryaev-Roberts e-detectors for bounded means (Shin, Ramdas & Rinaldo, "E-detectors", 2022, sections
    3 and 4): M_n = (M_{n-1} + 1) (1 + bet (x_n / mean - 1)), averaged over `BETS`, alarms at `run_length`. While each
    value's mean, given those before it, is at most `mean`, the average number of values up to an alarm is at least
    `run_length`, whatever their distribution, and however often one looks. `logs` are the logarithms of each bet's M,
    none at the beginning.
    """

    mean: float
    run_length: float
    logs: tuple[float, ...] = ()

    def after(self, values: AnyArray) -> tuple[EDetector, int | None]:
        known, places = _known(values)
        if not len(known):
            return self, None
        gained = np.log1p(np.outer(np.clip(known, 0.0, 1.0) / self.mean - 1, BETS))
        sums = np.cumsum(gained, axis=0)
        entered = np.concatenate([[self.logs or (-inf,) * len(BETS)], np.zeros((1, len(BETS))), -sums[:-1]])
        logs: Floats = sums + np.logaddexp.accumulate(entered, axis=0)[1:]
        evidence = np.logaddexp.reduce(logs, axis=1) - log(len(BETS))
        first = _first(evidence >= log(self.run_length))
        if first is None:
            return replace(self, logs=tuple(logs[-1].tolist())), None
        return replace(self, logs=()), int(places[first])


@dataclass(frozen=True, kw_only=True, slots=True)
class Usual:
    """What losses usually are: `cap` is the loss that counts as 1, `mean` what capped losses come to, and not above."""

    cap: float
    mean: float

    def scaled(self, losses: AnyArray) -> Floats:
        """Losses as shares of the cap, in [0, 1]: what an `EDetector` of this `mean` takes."""
        shares: Floats = np.clip(np.asarray(losses, dtype=np.float64) / self.cap, 0.0, 1.0)
        return shares


def usual_losses(losses: AnyArray, *, confidence: float = 0.99) -> Usual | None:
    """The usual from at least 30 losses (>= 0) of a time when all was well; None of fewer, or where none is above 0.

    The cap is their 99 % quantile, so that one monstrous loss is no alarm; the mean is the one-sided upper bound of
    theirs, by the normal approximation, so that a chance lucky sample does not make the usual look like a rise.
    """
    known, _ = _known(losses)
    known = known[np.isfinite(known)]
    if len(known) < 30 or known.max() <= 0:
        return None
    cap = float(np.quantile(known, 0.99)) or float(known.max())
    shares = np.clip(known / cap, 0.0, 1.0)
    reach = normal_quantile(confidence) * shares.std(ddof=1) / sqrt(len(shares))
    mean = float(shares.mean() + reach)
    return Usual(cap=cap, mean=min(max(mean, 1e-6), 1 - 1e-6))


@dataclass(frozen=True, kw_only=True, slots=True)
class PageHinkley:
    """The mean has risen by more than `tolerance`: the sum of (x - mean - tolerance) left its least by `threshold`.

    Page (1954), Hinkley (1971). It states no error rate: how often it is wrong hangs on the values' spread. Simple and
    well known; where a rate must be stated, use an `EDetector`.
    """

    threshold: float
    tolerance: float = 0.005
    count: int = 0
    mean: float = 0.0
    total: float = 0.0
    least: float = 0.0

    def after(self, values: AnyArray) -> tuple[PageHinkley, int | None]:
        known, places = _known(values)
        if not len(known):
            return self, None
        counts = self.count + np.arange(1, len(known) + 1)
        means = (self.count * self.mean + np.cumsum(known)) / counts
        totals = self.total + np.cumsum(known - means - self.tolerance)
        leasts = np.minimum.accumulate(np.minimum(totals, self.least))
        first = _first(totals - leasts > self.threshold)
        if first is not None:
            return PageHinkley(threshold=self.threshold, tolerance=self.tolerance), int(places[first])
        last = {"mean": float(means[-1]), "total": float(totals[-1]), "least": float(leasts[-1])}
        return replace(self, count=int(counts[-1]), **last), None


@dataclass(frozen=True, kw_only=True, slots=True)
class Adwin:
    """A window that grows while its mean is steady, and drops its older part where the newer one's mean differs.

    Bifet & Gavaldà, "Learning from Time-Changing Data with Adaptive Windowing", 2007: ADWIN2 with the bound of section
    4.1, for values in [0, 1]. It alarms where the newer part's mean is the greater. `delta` bounds the chance of each
    cut being false, up to the authors' own approximation (delta / ln n for all cuts of a look). Looks are at every 32nd
    value. `buckets` are counts, sums and sums of squares, oldest first: at most 5 or 6 of each power of two.
    """

    delta: float = 0.002
    seen: int = 0
    buckets: tuple[tuple[int, float, float], ...] = ()

    def after(self, values: AnyArray) -> tuple[Adwin, int | None]:
        known, places = _known(values)
        window = _Buckets(list(self.buckets))
        seen = self.seen
        for place, value in zip(places.tolist(), np.clip(known, 0.0, 1.0).tolist(), strict=True):
            seen += 1
            window.add(value)
            if seen % 32 == 0 and window.cut(self.delta):
                return Adwin(delta=self.delta, seen=seen, buckets=tuple(window.rows)), int(place)
        return Adwin(delta=self.delta, seen=seen, buckets=tuple(window.rows)), None


def alarms(detector: Detector, values: AnyArray) -> list[int]:
    """The places of all alarms in `values`; the detector goes on after each."""
    found: list[int] = []
    start, left = 0, np.asarray(values, dtype=np.float64)
    while start < len(left):
        detector, place = detector.after(left[start:])
        if place is None:
            break
        found.append(start + place)
        start += place + 1
    return found


_ALIKE = 5  # buckets of one size, before the two oldest become one


@dataclass(slots=True)
class _Buckets:
    """Rows of (count, sum, sum of squares), oldest first."""

    rows: list[tuple[int, float, float]]

    def add(self, value: float) -> None:
        self.rows.append((1, value, value * value))
        size, end = 1, len(self.rows)
        while end > _ALIKE and self.rows[end - _ALIKE - 1][0] == size:
            place = end - _ALIKE - 1
            (count, total, square), (more, added, squared) = self.rows[place : place + 2]
            self.rows[place : place + 2] = [(count + more, total + added, square + squared)]
            size, end = size * 2, place + 1

    def cut(self, delta: float) -> bool:
        """Drop the oldest buckets while some cut parts unequal means; whether the newer part's was ever the greater."""
        risen = False
        while (side := self._apart(delta)) != 0:
            risen = risen or side > 0
            del self.rows[0]
        return risen

    def _apart(self, delta: float) -> int:
        """1 where a cut has a newer part of surely greater mean, -1 of surely smaller mean, 0 where there is none."""
        if len(self.rows) < 2:
            return 0
        counts, sums, squares = np.cumsum(np.array(self.rows, dtype=np.float64), axis=0).T
        rows, total = counts[-1], sums[-1]
        variance = max(0.0, float(squares[-1] / rows - (total / rows) ** 2))
        older, newer = counts[:-1], rows - counts[:-1]
        apart = (total - sums[:-1]) / newer - sums[:-1] / older
        inverse = 1 / older + 1 / newer
        weight = log(2 * max(1.0, log(rows)) / delta)
        bound = np.sqrt(2 * inverse * variance * weight) + 2 / 3 * inverse * weight
        surely = (np.abs(apart) > bound) & (np.minimum(older, newer) >= 5)
        return int(np.sign(apart[np.argmax(surely)])) if surely.any() else 0


def _known(values: AnyArray) -> tuple[Floats, Places]:
    """The values that are numbers, and their places."""
    found = np.asarray(values, dtype=np.float64)
    places = np.flatnonzero(~np.isnan(found))
    return found[places], places


def _first(hits: AnyArray) -> int | None:
    return int(np.argmax(hits)) if hits.any() else None
