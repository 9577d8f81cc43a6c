"""The few functions of probability that the tests need: tails, and quantiles of some, without SciPy."""

from __future__ import annotations

from math import erfc, exp, inf, isinf, lgamma, log, log1p, pi, sqrt
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


def student_tail(t: float, freedom: float) -> float:
    """P(T > t) of Student's t with `freedom` > 0 degrees of freedom, whole or not, or infinite."""
    if isinf(freedom):
        return normal_tail(t)
    tail = beta_share(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2
    return tail if t > 0 else 1 - tail


def student_quantile(share: float, freedom: float) -> float:
    """The t below which `share` (0 < share < 1) of Student's t lies, by bisection."""
    if share < 0.5:
        return -student_quantile(1 - share, freedom)
    low, high = 0.0, 1.0
    while student_tail(high, freedom) > 1 - share:
        low, high = high, high * 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if student_tail(middle, freedom) > 1 - share else (low, middle)
    return (low + high) / 2


def beta_share(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b), a and b > 0 (Abramowitz & Stegun 26.5.8, by Lentz)."""
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_share(b, a, 1 - x)
    scale = exp(a * log(x) + b * log1p(-x) + lgamma(a + b) - lgamma(a) - lgamma(b)) / a
    return scale * _beta_fraction(a, b, x)


def _beta_fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 / _apart(1 - (a + b) * x / (a + 1))
    h = d
    for step in range(1, _STEPS):
        even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        for above in (even, odd):
            d, c = 1 / _apart(1 + above * d), _apart(1 + above / c)
            h *= d * c
        if abs(d * c - 1) < _CLOSE:
            break
    return h


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
