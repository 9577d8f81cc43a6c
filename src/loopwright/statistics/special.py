"""The few functions of probability that the tests need: normal, chi-squared and Kolmogorov tails, without SciPy."""

from __future__ import annotations

from math import erfc, exp, inf, isinf, lgamma, log, pi, sqrt
from statistics import NormalDist

_TINY = 1e-300
_CLOSE = 1e-15
_STEPS = 100_000


def normal_tail(z: float) -> float:
    """P(Z > z) of a standard normal."""
    return 0.5 * erfc(z / sqrt(2))


def normal_quantile(share: float) -> float:
    """The z below which `share` (0 < share < 1) of a standard normal lies."""
    return NormalDist().inv_cdf(share)


def chi_squared_tail(x: float, freedom: float) -> float:
    """P(X > x) of a chi-squared variable with `freedom` > 0 degrees of freedom."""
    return gamma_tail(freedom / 2, x / 2)


def gamma_tail(a: float, x: float) -> float:
    """The upper regularised incomplete gamma function Q(a, x), a > 0.

    By its series below a + 1 and Lentz's continued fraction above (Abramowitz & Stegun 6.5.29 and 6.5.31).
    """
    if x <= 0:
        return 1.0
    if isinf(x):
        return 0.0
    scale = exp(a * log(x) - x - lgamma(a))
    return 1 - scale * _series(a, x) if x < a + 1 else scale * _fraction(a, x)


def kolmogorov_tail(x: float) -> float:
    """P(K > x) of Kolmogorov's distribution, by whichever of its two series converges at once."""
    if x < 0.1:  # where the tail differs from 1 by less than 1e-50
        return 1.0
    if x < 1:
        return 1 - sqrt(2 * pi) / x * sum(exp(-((odd * pi / x) ** 2) / 8) for odd in (1, 3, 5, 7))
    return 2 * sum(sign * exp(-2 * (k * x) ** 2) for k, sign in ((1, 1), (2, -1), (3, 1), (4, -1)))


def _series(a: float, x: float) -> float:
    term = total = 1 / a
    for step in range(1, _STEPS):
        term *= x / (a + step)
        total += term
        if term < total * _CLOSE:
            break
    return total


def _fraction(a: float, x: float) -> float:
    b = x + 1 - a
    c, d = inf, 1 / b
    h = d
    for step in range(1, _STEPS):
        above = -step * (step - a)
        b += 2
        d = 1 / _apart(above * d + b)
        c = _apart(b + above / c)
        h *= d * c
        if abs(d * c - 1) < _CLOSE:
            break
    return h


def _apart(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
