"""How far a Brownian bridge strays at a few moments: the law of a Kolmogorov-Smirnov distance seen at few points."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, pi, sqrt

import numpy as np

from loopwright.statistics.arrays import Floats
from loopwright.statistics.special import kolmogorov_tail

CLOSEST = 0.0025
"""Moments nearer to each other than this count as one; the bridge hardly moves between them."""

_SURE = 1e-9
_NODES = (24, 256)


def bridge_tail(moments: Floats, height: float) -> float:
    """P(|B(t)| >= height at any of `moments`) of a Brownian bridge B on [0, 1]; `moments` lie between 0 and 1.

    The bridge is Markov, so the chance to stay within is an integral over one moment after the other, done by Gauss's
    quadrature (as for monitoring boundaries: Armitage, McPherson & Rowe, 1969; the asymptotic law of the distance is
    Doob's, 1949). Where even the bridge seen at all moments is beyond doubt (below 1e-9), that bound is given.
    """
    seen = _apart(np.asarray(moments, dtype=np.float64))
    if not len(seen) or height <= 0:
        return 1.0
    bound = kolmogorov_tail(height)
    if bound < _SURE:
        return bound
    return min(max(1 - _within(seen, height), 0.0), bound)


def _apart(moments: Floats) -> Floats:
    """The moments inside (0, 1), rising, each `CLOSEST` at least from the one before and from the ends."""
    kept: list[float] = []
    for moment in np.sort(moments).tolist():
        if CLOSEST <= moment <= 1 - CLOSEST and (not kept or moment - kept[-1] >= CLOSEST):
            kept.append(moment)
    return np.array(kept)


def _within(moments: Floats, height: float) -> float:
    """The chance to stay below `height` at all moments: densities of a Brownian motion that ends at 0."""
    steps = np.diff(moments, prepend=0.0, append=1.0)
    least, most = _NODES
    places, weights = _quadrature(min(max(ceil(5 * height / sqrt(float(steps.min()))), least), most))
    places, weights = places * height, weights * height
    squares = (places[:, None] - places[None, :]) ** 2
    reached: Floats = _normal(places**2, steps[0])
    for step in steps[1:-1].tolist():
        reached = _normal(squares, step) @ (weights * reached)
    return float((weights * reached * _normal(places**2, steps[-1])).sum()) * sqrt(2 * pi)


def _normal(squares: Floats, variance: float) -> Floats:
    density: Floats = np.exp(squares * (-0.5 / variance)) / sqrt(2 * pi * variance)
    return density


@lru_cache(maxsize=64)
def _quadrature(nodes: int) -> tuple[Floats, Floats]:
    places, weights = np.polynomial.legendre.leggauss(nodes)
    return places, weights
