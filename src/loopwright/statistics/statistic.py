"""A metric bound to its rows, so that any weights (a bootstrap's counts) give its value without indexing rows again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from loopwright.statistics.arrays import Bools, Floats, Places, divide

_STEP = 1e-5


class Statistic(Protocol):
    """A figure over `rows` rows. `value(weights)` takes one weight a row, and is NaN where the figure is undefined.

    `influence()` [rows] is its derivative by each row's weight, times the rows; it sums to zero. Its mean square over
    the rows is the figure's variance where rows are independent (Efron's infinitesimal jackknife, 1982).
    """

    @property
    def rows(self) -> int: ...

    def value(self, weights: Floats | None = None) -> float: ...

    def influence(self) -> Floats: ...


@dataclass(frozen=True, slots=True)
class Sums:
    """A figure that follows from weighted sums over rows, as means, ratios and confusion counts do.

    `terms` are pairs of a slot and an amount, each either one for all rows or one a row: a row adds `amount` to the
    sum in `slot`. `finish` takes sums of shape [..., slots] to values of shape [...], NaN where undefined; a multiple
    of all sums gives the same value. Of a share of rows, `hits` says which of those that count [some] it counts in.
    """

    rows: int
    slots: int
    terms: tuple[tuple[int | Places, float | Floats], ...]
    finish: Callable[[Floats], Floats]
    hits: Bools | None = None

    def value(self, weights: Floats | None = None) -> float:
        one_group = np.zeros(self.rows, dtype=np.int64)
        return float(self.finish(self.by_group(one_group, 1, weights))[0])

    def by_group(self, group: Places, groups: int, weights: Floats | None = None) -> Floats:
        """The sums of each group of rows, shape [groups, slots]; `group` has one place a row."""
        total = np.zeros(groups * self.slots)
        for slot, amount in self.terms:
            heavy = np.broadcast_to(amount if weights is None else amount * weights, (self.rows,))
            total += np.bincount(group * self.slots + slot, weights=heavy, minlength=len(total))
        return total.reshape(groups, self.slots)

    def influence(self) -> Floats:
        """By the gradient of `finish` at the sums, from central differences."""
        sizes = Sums(self.rows, self.slots, tuple((slot, np.abs(amount)) for slot, amount in self.terms), self.finish)
        one_group = np.zeros(self.rows, dtype=np.int64)
        means, scale = (one.by_group(one_group, 1)[0] / self.rows for one in (self, sizes))
        steps = np.diag(_STEP * scale)
        slope = divide(self.finish(means + steps) - self.finish(means - steps), 2 * _STEP * scale, otherwise=0.0)
        found = np.zeros(self.rows)
        for slot, amount in self.terms:
            found += slope[slot] * amount
        centred: Floats = found - found.mean()
        return centred


@dataclass(frozen=True, slots=True)
class Ranking:
    """Rows by falling score: `order` their places, `hit` whether each is positive, `ends` where runs of ties end."""

    order: Places
    hit: Floats
    ends: Places

    @classmethod
    def of(cls, positive: Bools, score: Floats) -> Ranking:
        order = np.argsort(-score, kind="stable")
        ranked = score[order]
        ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1) if len(ranked) else order
        return cls(order, positive[order].astype(np.float64), ends)

    def reached(self, weights: Floats | None) -> tuple[Floats, Floats]:
        """Weights of the positives and the negatives from the top down to each run of ties."""
        weight = np.ones(len(self.order)) if weights is None else weights[self.order]
        positives = np.cumsum(weight * self.hit)[self.ends]
        return positives, np.cumsum(weight)[self.ends] - positives

    def by_row(self, figure: Floats) -> Floats:
        """A figure of each run of ties, given to each of its rows in the rows' own order."""
        found = np.empty(len(self.order))
        found[self.order] = np.repeat(figure, np.diff(self.ends, prepend=-1))
        return found

    def hits(self) -> Floats:
        """Whether each row is positive, in the rows' own order."""
        found = np.empty(len(self.order))
        found[self.order] = self.hit
        return found


@dataclass(frozen=True, slots=True)
class RocAuc:
    """The chance that a positive outranks a negative, ties counting half; NaN where either is absent."""

    ranking: Ranking

    @property
    def rows(self) -> int:
        return len(self.ranking.order)

    def value(self, weights: Floats | None = None) -> float:
        positives, negatives = self.ranking.reached(weights)
        if not len(positives) or positives[-1] <= 0 or negatives[-1] <= 0:
            return np.nan
        area = float((np.diff(negatives, prepend=0.0) * _middle(positives)).sum())
        return area / float(positives[-1] * negatives[-1])

    def influence(self) -> Floats:
        """By the share of the other class that a row is rightly ordered with (DeLong et al., 1988)."""
        hits, rows, value = self.ranking.hits(), self.rows, self.value()
        positives, negatives = self.ranking.reached(None)
        outranked = 1 - _middle(negatives) / negatives[-1]
        outranking = _middle(positives) / positives[-1]
        of_hits: Floats = hits * (self.ranking.by_row(outranked) - value) * rows / positives[-1]
        of_rest: Floats = (1 - hits) * (self.ranking.by_row(outranking) - value) * rows / negatives[-1]
        return of_hits + of_rest


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """The mean over positives of the precision at their rank (not the trapezoid's area); NaN without positives."""

    ranking: Ranking

    @property
    def rows(self) -> int:
        return len(self.ranking.order)

    def value(self, weights: Floats | None = None) -> float:
        positives, negatives = self.ranking.reached(weights)
        if not len(positives) or positives[-1] <= 0:
            return np.nan
        precision = divide(positives, positives + negatives, otherwise=0.0)
        return float((np.diff(positives, prepend=0.0) * precision).sum() / positives[-1])

    def influence(self) -> Floats:
        """A row's own precision if it is positive, and what it does to the precision of all positives not above it."""
        positives, negatives = self.ranking.reached(None)
        called = positives + negatives
        gained = np.diff(positives, prepend=0.0)
        as_hit = np.cumsum((gained / called)[::-1])[::-1]
        as_call = np.cumsum((gained * positives / called**2)[::-1])[::-1]
        hits, rows = self.ranking.hits(), self.rows
        own: Floats = hits * (self.ranking.by_row(positives / called + as_hit) - self.value())
        lost: Floats = self.ranking.by_row(as_call)
        return (own - lost) * rows / float(positives[-1])


@dataclass(frozen=True, slots=True)
class OneVersusRest:
    """The mean of each class's ROC-AUC against the rest, over the classes present, plain or by their weight."""

    target: Places
    classes: tuple[RocAuc, ...]
    by_weight: bool

    @property
    def rows(self) -> int:
        return len(self.target)

    def value(self, weights: Floats | None = None) -> float:
        found, share = self._parts(weights)
        return float((np.nan_to_num(found) * share).sum()) if share.any() else np.nan

    def influence(self) -> Floats:
        found, share = self._parts(None)
        total = np.zeros(self.rows)
        for place in np.flatnonzero(share):
            total += share[place] * self.classes[place].influence()
        return total + found[self.target] - self.value() if self.by_weight else total

    def _parts(self, weights: Floats | None) -> tuple[Floats, Floats]:
        """Each class's figure, and its share of the mean: zero where the figure is NaN."""
        found = np.array([one.value(weights) for one in self.classes])
        mass = np.bincount(self.target, weights=weights, minlength=len(found)).astype(np.float64)
        share = np.where(np.isfinite(found), mass if self.by_weight else 1.0, 0.0)
        return found, divide(share, np.full(len(share), share.sum()), otherwise=0.0)


def _middle(reached: Floats) -> Floats:
    """What is reached at the middle of each run of ties: half of its own, and all before it."""
    middle = reached.copy()
    middle[1:] += reached[:-1]
    return middle / 2
