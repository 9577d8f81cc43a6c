"""Tests that may be looked at after every observation: e-processes, confidence sequences, and a test for whole groups.

An e-process starts at 1 and, where the null hypothesis is true, ever reaches 1/alpha with chance alpha at most (Ville,
1939), whenever one looks and whenever one stops. Evidence is given as its natural logarithm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp, inf, lgamma, log, log1p, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from loopwright.statistics.arrays import AnyArray, Floats

LEAST = 8
"""A block has so many units of each group at least: with fewer, what is known of the other group is thrown away."""

GROWTH = 0.02
"""And so great a share of all that came before: what is found is found 2 % late, and there are some hundred blocks."""

ODDS = np.array([1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 1000.0])
"""How many times more often something may happen: evidence is the mean over these, so none need be guessed."""


def blocks(units_a: AnyArray | Sequence[float], units_b: AnyArray | Sequence[float]) -> NDArray[np.int64]:
    """Where to cut a sequence, [windows] units of two groups each, into blocks that hold enough of both: the places
    after their last windows, [blocks]. What follows the last cut is not evidence yet.

    Cuts look at how many came, never at what came of them, so that they cannot be chosen to please.
    """
    a, b = np.cumsum(units_a), np.cumsum(units_b)
    cuts: list[int] = []
    seen_a = seen_b = 0.0
    while len(a):
        wanted = (1 + GROWTH) * (seen_a + seen_b)
        place = max(
            int(np.searchsorted(a, seen_a + LEAST)),
            int(np.searchsorted(b, seen_b + LEAST)),
            _first(a, b, wanted, cuts[-1] if cuts else 0),
        )
        if place >= len(a):
            break
        cuts.append(place + 1)
        seen_a, seen_b = float(a[place]), float(b[place])
    return np.array(cuts, dtype=np.int64)


def more_often(hits_a: AnyArray, units_a: AnyArray, hits_b: AnyArray, units_b: AnyArray) -> Floats:
    """Log evidence, after each block, that a unit of group a is hit more often than one of b: [..., blocks] → the same.

    In a block of which a has the share w, each hit is a's with chance w where the groups are alike, so with
    k of h hits in a, psi^k / (1 + w (psi - 1))^h is an e-value for every psi > 1: by Hoeffding (1963, theorem 4), since
    hits fall on units without replacement. It conditions on the split that was seen and on the block's hits, so neither
    a split that was not meant nor a bad hour that hits both counts against a. Blocks multiply, and the mean over psi is
    an e-process too (Robbins, 1970; the same bet with a known split: Lindon and Malek, 2022). A hit may be a part of 1.
    """
    a, b = np.asarray(hits_a, np.float64)[..., None], np.asarray(hits_b, np.float64)[..., None]
    units = np.asarray(units_a, np.float64) + np.asarray(units_b, np.float64)
    share = (np.asarray(units_a, np.float64) / np.maximum(units, 1e-300))[..., None]
    gained = a * np.log(ODDS) - (a + b) * np.log1p(share * (ODDS - 1))
    return log_mean(np.cumsum(gained, axis=-2))


def different(counts_a: AnyArray, counts_b: AnyArray) -> float:
    """Log evidence that units of two groups fall into bins differently; [blocks, bins] each. 0 with no blocks.

    The mean, over bins and both directions, of `more_often`: whether one falls into a bin is a hit.
    """
    a, b = np.asarray(counts_a, np.float64), np.asarray(counts_b, np.float64)
    if not a.size:
        return 0.0
    units_a, units_b = a.sum(axis=1), b.sum(axis=1)
    more = more_often(a.T, units_a, b.T, units_b)[:, -1]
    less = more_often(b.T, units_b, a.T, units_a)[:, -1]
    return float(log_mean(np.concatenate([more, less])))


def split_is(units_a: float, units_b: float, share: float) -> float:
    """Log evidence that group a's share of all units is not `share` (0 < share < 1): a sample-ratio mismatch.

    Each unit's group against a Beta mixture around `share` with the weight of 100 units (Lindon and Malek, 2022,
    section 3: the Dirichlet-multinomial with two groups).
    """
    a, b = 100 * share, 100 * (1 - share)
    return _log_beta(a + units_a, b + units_b) - _log_beta(a, b) - units_a * log(share) - units_b * log1p(-share)


def share_sequence(hits: float, units: float, alpha: float) -> tuple[float, float]:
    """Bounds of the chance of a hit that hold at all times at once with chance 1 - alpha; (0, 1) with no units.

    The shares that a Beta(1/2, 1/2) mixture does not reject (Robbins, 1970). Hits that are parts of 1 only make it
    cautious, since the mixture's factors are convex in them (Howard et al., 2021, section 3: sub-Bernoulli).
    """
    if not units:
        return 0.0, 1.0
    mixed = _log_beta(hits + 0.5, units - hits + 0.5) - log(pi)

    def rejected(share: float) -> bool:
        likely = (hits * log(share) if hits else 0.0) + ((units - hits) * log1p(-share) if units > hits else 0.0)
        return mixed - likely >= -log(alpha)

    seen = hits / units
    low = 0.0 if hits <= 0 else _edge(rejected, seen, 0.0)
    return low, 1.0 if hits >= units else _edge(rejected, seen, 1.0)


def mean_difference_sequence(
    units_a: float, mean_a: float, variance_a: float, units_b: float, mean_b: float, variance_b: float, alpha: float
) -> tuple[float, float]:
    """Bounds of mean a - mean b that hold at all times at once with chance 1 - alpha, as samples grow large.

    Asymptotic (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, 2024, theorem 2.2, with the difference's variance as
    clock): the normal mixture of Robbins (1970), widest belief a tenth of the pooled standard deviation. Unbounded
    where a group has fewer than two units, or nothing varies and so no scale is known.
    """
    scale = (units_a * variance_a + units_b * variance_b) / max(units_a + units_b, 1)
    if min(units_a, units_b) < 2 or not 0 < scale < inf:
        return -inf, inf
    noise, belief = variance_a / units_a + variance_b / units_b, 0.01 * scale
    reach = sqrt(2 * noise * (noise + belief) / belief * (log(1 / alpha) + log1p(belief / noise) / 2))
    return mean_a - mean_b - reach, mean_a - mean_b + reach


def subset_p(values: AnyArray, chosen: AnyArray) -> float:
    """How likely the sum over a random subset is at least that over the `chosen` ones; [values], marks → a bound.

    For groups of unequal weight (all requests of a customer are one value), drawn by lot: exact for any values, since
    it asks only which were drawn. The smaller of two bounds of Chernoff's kind: drawing with replacement (Hoeffding,
    1963, theorem 4), and drawing each by itself, given that as many were drawn. For one look: it is no e-process.
    """
    x, marks = np.asarray(values, np.float64), np.asarray(chosen, bool)
    drawn, size = int(marks.sum()), len(x)
    if not 0 < drawn < size:
        return 1.0
    x = x - x.mean()
    total = float(x[marks].sum())
    scale = float(np.abs(x).max())
    if total <= 0 or scale == 0:
        return 1.0
    x, total = x / scale, total / scale
    if drawn > size / 2:  # as well as: the others' sum is at most so little
        x, drawn = -x, size - drawn
    if total**2 < drawn * (size - drawn) / size * float((x**2).mean()):
        return 1.0  # within a standard deviation: bounds of this kind say nothing there
    return exp(min(0.0, _with_replacement(x, drawn, total), _one_by_one(x, drawn, total)))


def log_mean(logs: AnyArray) -> Floats:
    """The logarithm of the mean of exp(logs) over the last axis."""
    logs = np.asarray(logs, np.float64)
    top = logs.max(axis=-1, keepdims=True)
    found: Floats = np.squeeze(top, -1) + np.log(np.mean(np.exp(logs - top), axis=-1))
    return found


def _first(a: Floats, b: Floats, wanted: float, start: int) -> int:
    """The first place from `start` on where a + b reaches `wanted`."""
    width = 64
    while start < len(a):
        both = a[start : start + width] + b[start : start + width]
        if len(both) and both[-1] >= wanted:
            return start + int(np.searchsorted(both, wanted))
        start, width = start + width, 2 * width
    return start


def _edge(rejected: Callable[[float], bool], inside: float, outside: float) -> float:
    """The share between `inside` (not rejected) and `outside` from which on all are rejected."""
    for _ in range(50):
        middle = (inside + outside) / 2
        if rejected(middle):
            outside = middle
        else:
            inside = middle
    return outside


def _with_replacement(x: Floats, drawn: int, total: float) -> float:
    def logs(tilt: float) -> float:
        return drawn * float(log_mean(tilt * x)) - tilt * total

    return _least(logs)


def _one_by_one(x: Floats, drawn: int, total: float) -> float:
    """Each value drawn by itself with the same chance; divided by the chance that so many are drawn."""
    size = len(x)
    share = drawn / size
    exactly = lgamma(size + 1) - lgamma(drawn + 1) - lgamma(size - drawn + 1)
    exactly += drawn * log(share) + (size - drawn) * log1p(-share)

    def logs(tilt: float) -> float:
        centred = tilt * x
        shift = _size_kept(centred, drawn, share)
        return float(np.logaddexp(log1p(-share), log(share) + centred + shift).sum()) - tilt * total - shift * drawn

    return _least(logs) - exactly


def _size_kept(tilted: Floats, drawn: int, share: float) -> float:
    """What makes as many be drawn, in the mean, as were: Newton's method on a function that rises."""
    shift, odds = 0.0, log(share / (1 - share))
    for _ in range(8):
        chance = 1 / (1 + np.exp(-np.clip(odds + tilted + shift, -500, 500)))
        shift -= float(np.clip((chance.sum() - drawn) / max((chance * (1 - chance)).sum(), 1e-12), -5, 5))
    return shift


def _least(logs: Callable[[float], float]) -> float:
    """The least value over tilts > 0 of a convex function that is 0 at 0: by halving a golden section."""
    low, high, inner = -7.0, 7.0, (sqrt(5) - 1) / 2  # of the tilt's logarithm
    left, right = high - inner * (high - low), low + inner * (high - low)
    at_left, at_right = logs(exp(left)), logs(exp(right))
    for _ in range(30):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - inner * (high - low)
            at_left = logs(exp(left))
        else:
            low, left, at_left = left, right, at_right
            right = low + inner * (high - low)
            at_right = logs(exp(right))
    return float(min(at_left, at_right))


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
