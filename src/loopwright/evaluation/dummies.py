"""Dummies: what costs nothing to predict. A model has to beat the best of them.

A guess takes the numbers of rows and gives a score for each. Guesses that look back use only what was known when the
row happened: the truth of strictly earlier moments, and none sooner than the label delay allows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from loopwright.evaluation.rows import Floats, History, Places

Guess = Callable[[Places], Floats]

DAY = 86_400e6
"""Microseconds."""
ENOUGH = 0.8
"""The share of rows for which a season before must be on record."""


@dataclass(frozen=True, slots=True)
class Dummy:
    """A guess, and what it is in words. One that `persists` repeats what was known before: a rival, not ignorance."""

    name: str
    guess: Guess
    persists: bool = False


def steady(value: float) -> Guess:
    """The same value for every row."""
    return lambda places: np.full(len(places), value)


def prior(history: History) -> Guess:
    """Each class's share of the training rows, `[n, k]`."""
    shares = _one_hot(history.truth[history.train], history.classes).mean(axis=0)
    return lambda places: np.tile(shares, (len(places), 1))


def value_before(history: History) -> list[Dummy]:
    """The last value known; the mean of a moment's rows where there are several. None where rows have no order."""
    look = _look_back(history, history.truth[:, None])
    if look is None:
        return []
    return [Dummy("the last value known", lambda places: look.latest(places)[:, 0], persists=True)]


def season_before(history: History) -> list[Dummy]:
    """The value a day, a week or a year before, where nearly every row has one; else there the last value known."""
    look = _look_back(history, history.truth[:, None])
    if look is None or not history.dated or len(look.moments) < 2:
        return []
    step = float(np.median(np.diff(look.moments)))
    found = []
    for words, period, fits in (
        ("a day", DAY, step < DAY),
        ("a week", 7 * DAY, step < 7 * DAY),
        ("a year", 365 * DAY, 27 * DAY < step < 93 * DAY),
    ):
        if fits and look.covered(np.flatnonzero(history.validation | history.test), period) >= ENOUGH:
            found.append(Dummy(f"the value {words} before", _season(look, period), persists=True))
    return found


def earlier_label(history: History) -> list[Dummy]:
    """How often each class followed the last one known, in the training rows."""
    labels = _one_hot(history.truth, history.classes)
    look = _look_back(history, labels)
    if look is None:
        return []
    train = np.flatnonzero(history.train)
    before = look.latest(train)
    shares = labels[train].mean(axis=0)
    follows = before.T @ labels[train] + shares  # one row's worth of the plain shares, for classes never seen before
    follows /= follows.sum(axis=1, keepdims=True)
    return [Dummy("the class after the last one known", lambda places: look.latest(places) @ follows, persists=True)]


def _season(look: _LookBack, period: float) -> Guess:
    return lambda places: look.season(places, period)[:, 0]


def _one_hot(truth: Floats, classes: int) -> Floats:
    hot: Floats = (truth[:, None] == np.arange(classes)).astype(np.float64)
    return hot


def _look_back(history: History, values: Floats) -> _LookBack | None:
    """What is known of earlier rows; None where rows are in no order, or it cannot be told when a truth is known."""
    if history.moments is None or history.delay is None:
        return None
    known = ~np.isnan(history.truth) & ~np.isnan(history.moments)
    moments, inverse = np.unique(history.moments[known], return_inverse=True)
    rows = np.bincount(inverse)
    means = np.stack([np.bincount(inverse, weights=column) / rows for column in values[known].T], axis=1)
    usual = values[history.train].mean(axis=0)
    return _LookBack(asked=history.moments, delay=history.delay, moments=moments, means=means, usual=usual)


@dataclass(frozen=True, kw_only=True, slots=True)
class _LookBack:
    """`moments` that have a known truth, rising, and their `means` `[m, d]`; `usual` is said where nothing is known."""

    asked: Floats
    delay: float
    moments: Floats
    means: Floats
    usual: Floats

    def latest(self, places: Places) -> Floats:
        """The newest mean known to each row, `[n, d]`."""
        asked = self.asked[places]
        if self.delay:
            found = np.searchsorted(self.moments, asked - self.delay, side="right") - 1
        else:
            found = np.searchsorted(self.moments, asked, side="left") - 1
        return np.where(found[:, None] >= 0, self.means[np.maximum(found, 0)], self.usual)

    def season(self, places: Places, period: float) -> Floats:
        """The mean one period before each row (as many periods as the delay asks for), or the latest one."""
        found, there = self._before(places, period)
        return np.where(there[:, None], self.means[found], self.latest(places))

    def covered(self, places: Places, period: float) -> float:
        """The share of rows that have such a mean."""
        return float(self._before(places, period)[1].mean())

    def _before(self, places: Places, period: float) -> tuple[Places, Places]:
        periods = max(1.0, np.ceil(self.delay / period))
        keys, asked = self.moments, self.asked[places] - periods * period
        if period >= 365 * DAY:  # years differ in length: the same month will do
            keys, asked = _months(self.moments), _months(self.asked[places]) - 12 * periods
        found = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
        return found, keys[found] == asked


def _months(moments: Floats) -> Floats:
    months: Floats = moments.astype(np.int64).view("M8[us]").astype("M8[M]").astype(np.int64).astype(np.float64)
    return months
