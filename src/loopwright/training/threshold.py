"""The decision threshold: the probability from which a row is called positive, chosen on validation rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from loopwright.policies.training import Threshold


def choose_threshold(rule: Threshold, y: NDArray[np.int64], probability: NDArray[np.float64]) -> float:
    """The threshold that `rule` asks for: a number itself, or the one that maximises its objective on these rows.

    Every midpoint between neighbouring probabilities is tried, and one above them all (which calls no row positive);
    of equally good ones the nearest to 0.5 is taken.
    Where the rows hold one class only nothing can be chosen, and it is 0.5.
    """
    if not isinstance(rule.objective, str):
        return float(rule.objective)
    if not 0 < y.sum() < len(y):
        return 0.5
    values, places = np.unique(probability, return_inverse=True)
    rows = np.bincount(places)
    hits = np.bincount(places, weights=y)
    called = np.append(np.cumsum(rows[::-1])[::-1], 0)
    right = np.append(np.cumsum(hits[::-1])[::-1], 0)
    above = (values[-1] + 1) / 2 if values[-1] < 1 else np.nextafter(values[-1], 2)
    cuts = np.concatenate([values[:1], (values[:-1] + values[1:]) / 2, [above]])
    worth = _worth(rule.objective, right, called - right, float(y.sum()), len(y))
    best = np.flatnonzero(worth >= worth.max() - 1e-12)
    return float(cuts[best[np.argmin(np.abs(cuts[best] - 0.5))]])


def _worth(
    objective: str, right: NDArray[np.float64], wrong: NDArray[np.float64], positives: float, rows: int
) -> NDArray[np.float64]:
    """The objective where `right` positives and `wrong` negatives are called positive."""
    negatives = rows - positives
    if objective == "f1":
        return 2 * right / (right + wrong + positives)
    if objective == "accuracy":
        return (right + negatives - wrong) / rows
    return right / positives - wrong / negatives
