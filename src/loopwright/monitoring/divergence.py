"""How far apart two sets of counts on the same bins are, and whether chance explains it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def psi(reference: Sequence[int], window: Sequence[int]) -> float:
    """The population stability index over the bins; half a count is added to each bin, so that none is empty."""
    a = np.asarray(reference, dtype=float) + 0.5
    b = np.asarray(window, dtype=float) + 0.5
    p, q = a / a.sum(), b / b.sum()
    return float(np.sum((q - p) * np.log(q / p)))


def ks(reference: Sequence[int], window: Sequence[int]) -> tuple[float, float]:
    """Kolmogorov-Smirnov distance at the bins' edges, and its p-value by the limiting distribution (conservative)."""
    a, b = np.asarray(reference, dtype=float), np.asarray(window, dtype=float)
    n, m = a.sum(), b.sum()
    distance = float(np.max(np.abs(np.cumsum(a) / n - np.cumsum(b) / m)))
    root = math.sqrt(n * m / (n + m))
    x = (root + 0.12 + 0.11 / root) * distance
    if x < 0.2:
        return distance, 1.0
    return distance, min(1.0, 2 * sum((-1) ** (k - 1) * math.exp(-2 * (k * x) ** 2) for k in range(1, 101)))


def chi2(reference: Sequence[int], window: Sequence[int]) -> tuple[float, float]:
    """Pearson's chi² of homogeneity over the bins that hold anything, and its p-value."""
    table = np.array([reference, window], dtype=float)
    table = table[:, table.sum(axis=0) > 0]
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    statistic = float(np.sum((table - expected) ** 2 / expected))
    return statistic, _chi2_tail(statistic, table.shape[1] - 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm, 1979), in the order given."""
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def _chi2_tail(statistic: float, freedom: int) -> float:
    if freedom < 1:
        return 1.0
    half = statistic / 2
    even = freedom % 2 == 0
    total = math.exp(-half) if even else math.erfc(math.sqrt(half))
    for i in range(1, (freedom if even else freedom + 1) // 2):
        shift = i if even else i - 0.5
        total += math.exp(shift * math.log(half) - half - math.lgamma(shift + 1)) if half > 0 else 0.0
    return min(1.0, total)
