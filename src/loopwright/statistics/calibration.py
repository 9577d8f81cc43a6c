"""From scores to probabilities that keep their word: of the rows given 0.8, eight in ten are positive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loopwright.statistics.arrays import AnyArray, Floats

_EDGE = 1e-6
_STEPS = 50
_BLOCKS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Logistic:
    """Log-odds of the score, stretched and shifted: `slope` 1 and `shift` 0 leave it as it is."""

    slope: float
    shift: float

    def probability(self, score: AnyArray) -> Floats:
        found: Floats = 1 / (1 + np.exp(-(self.slope * _log_odds(score) + self.shift)))
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Isotonic:
    """Straight lines between points: `scores` rise, and `values` do not fall."""

    scores: tuple[float, ...]
    values: tuple[float, ...]

    def probability(self, score: AnyArray) -> Floats:
        return np.interp(np.asarray(score, dtype=np.float64), self.scores, self.values)


def fit_logistic(score: AnyArray, truth: AnyArray, weights: Floats | None = None) -> Logistic:
    """Platt's scaling (1999) of the score's log-odds. `score` [n] is a probability, `truth` [n] 0 or 1.

    A weak normal prior about "leave it as it is", worth about one row, keeps it finite where all rows are of one class
    or the score parts the classes perfectly. Newton's method; no rows leave the score as it is.
    """
    odds, hit = _log_odds(score), np.asarray(truth, dtype=np.float64)
    weight = np.ones(len(odds)) if weights is None else weights
    slope, shift = 1.0, 0.0
    for _ in range(_STEPS):
        expected = 1 / (1 + np.exp(-(slope * odds + shift)))
        off, spread = weight * (hit - expected), weight * expected * (1 - expected)
        gradient = np.array([(off * odds).sum() - (slope - 1), off.sum() - shift])
        cross = (spread * odds).sum()
        curve = np.array([[(spread * odds**2).sum() + 1, cross], [cross, spread.sum() + 1]])
        step = np.clip(np.linalg.solve(curve, gradient), -1.0, 1.0)
        slope, shift = slope + float(step[0]), shift + float(step[1])
        if np.abs(step).max() < 1e-9:
            break
    return Logistic(slope=slope, shift=shift)


def fit_isotonic(score: AnyArray, truth: AnyArray, weights: Floats | None = None) -> Isotonic:
    """The rising function nearest to `truth` in squares: pool adjacent violators (Ayer et al., 1955; Zadrozny & Elkan,
    2002) over at most 200 blocks of equal mass. No rows leave the score as it is.
    """
    found, hit = np.asarray(score, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if not len(found):
        return Isotonic(scores=(0.0, 1.0), values=(0.0, 1.0))
    weight = np.ones(len(found)) if weights is None else weights
    edges = np.unique(np.quantile(found, np.linspace(0, 1, _BLOCKS + 1)[1:-1]))
    block = np.searchsorted(edges, found, side="right")
    mass, middle, hits = (np.bincount(block, weights=weight * one) for one in (np.ones(len(found)), found, hit))
    stack: list[list[float]] = []
    for one in np.flatnonzero(mass):
        stack.append([mass[one], middle[one], hits[one]])
        while len(stack) > 1 and stack[-2][2] * stack[-1][0] >= stack[-1][2] * stack[-2][0]:
            last = stack.pop()
            stack[-1] = [a + b for a, b in zip(stack[-1], last, strict=True)]
    return Isotonic(scores=tuple(m / w for w, m, _ in stack), values=tuple(h / w for w, _, h in stack))


def _log_odds(score: AnyArray) -> Floats:
    sure = np.clip(np.asarray(score, dtype=np.float64), _EDGE, 1 - _EDGE)
    found: Floats = np.log(sure / (1 - sure))
    return found
