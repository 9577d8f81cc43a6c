"""How far apart two distributions are, from counts on common bins: sizes of a change, where tests give its certainty.

Each takes two arrays of counts, [bins], and gives None where either is empty.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loopwright.statistics.arrays import AnyArray, Floats

SMOOTHING = 0.5
"""Added to every bin of both samples (Jeffreys's prior), so that an empty bin does not make the PSI infinite."""


def psi(reference: AnyArray, current: AnyArray) -> float | None:
    """Population stability index: the sum over bins of (q - p) ln(q / p). Custom reads 0.1 as some and 0.2 as much.

    Source: Siddiqi, "Credit Risk Scorecards", 2006. Where nothing changed its mean is about (bins - 1) (1/n + 1/m)
    (Yurdakul, 2018), so that samples of n rows against m want far more rows than bins.
    """
    if not np.sum(reference) or not np.sum(current):
        return None
    return float(psi_each(np.asarray(reference), np.asarray(current)))


def psi_each(references: AnyArray, currents: AnyArray) -> Floats:
    """`psi` of many samples at once: counts [..., bins] of both, none of them empty, to [...]."""
    p, q = (_shares(np.asarray(one, dtype=np.float64) + SMOOTHING) for one in (references, currents))
    found: Floats = np.sum((q - p) * np.log(q / p), axis=-1)
    return found


def jensen_shannon(reference: AnyArray, current: AnyArray) -> float | None:
    """Jensen-Shannon distance, base 2: 0 where the shares are equal, 1 where they have no bin in common.

    The square root of the divergence, which makes it a metric (Endres & Schindelin, 2003). No smoothing is needed.
    """
    if not np.sum(reference) or not np.sum(current):
        return None
    p, q = (_shares(np.asarray(one, dtype=np.float64)) for one in (reference, current))
    middle = (p + q) / 2
    divergence = (_relative_entropy(p, middle) + _relative_entropy(q, middle)) / 2
    return float(np.sqrt(min(max(divergence, 0.0), 1.0)))


def wasserstein(edges: Sequence[float], reference: AnyArray, current: AnyArray) -> float | None:
    """How far, on average, mass must be moved to make one of the other (Wasserstein-1), in the unit of `edges`.

    Counts are those of a `Histogram`: each bin's mass is taken to lie in its middle, and that of the open bins on the
    outermost edges. None also where there are no edges.
    """
    if not len(edges) or not np.sum(reference) or not np.sum(current):
        return None
    places = _middles(edges)
    p, q = (_shares(np.asarray(one, dtype=np.float64)) for one in (reference, current))
    return float(np.sum(np.abs(np.cumsum(p - q))[:-1] * np.diff(places)))


def wasserstein_sorted(a: Floats, b: Floats) -> float | None:
    """Wasserstein-1 of two samples, each sorted and without NaN: the mean distance of their quantiles."""
    if not len(a) or not len(b):
        return None
    if len(a) == len(b):
        return float(np.abs(a - b).mean())
    steps = np.union1d(np.arange(len(a) + 1) * len(b), np.arange(len(b) + 1) * len(a))  # ranks, as whole numbers
    apart = np.abs(a[steps[:-1] // len(b)] - b[steps[:-1] // len(a)])
    return float((apart * np.diff(steps)).sum() / steps[-1])


def deviation(edges: Sequence[float], counts: AnyArray) -> float | None:
    """The standard deviation of counted numbers, each taken to lie in its bin's middle as `wasserstein` has it."""
    if not len(edges) or not np.sum(counts):
        return None
    places, shares = _middles(edges), _shares(np.asarray(counts, dtype=np.float64))
    return float(np.sqrt(np.sum(shares * (places - np.sum(shares * places)) ** 2)))


def _middles(edges: Sequence[float]) -> Floats:
    bounds = np.asarray(edges, dtype=np.float64)
    return np.concatenate([bounds[:1], bounds[:-1] / 2 + bounds[1:] / 2, bounds[-1:]])


def _shares(counts: Floats) -> Floats:
    shares: Floats = counts / counts.sum(axis=-1, keepdims=True)
    return shares


def _relative_entropy(p: Floats, q: Floats) -> float:
    some = p > 0
    return float(np.sum(p[some] * np.log2(p[some] / q[some])))
