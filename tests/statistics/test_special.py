"""Tails of distributions agree with SciPy, far out as well."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from loopwright.statistics.special import (
    beta_share,
    chi_squared_tail,
    gamma_tail,
    kolmogorov_tail,
    normal_quantile,
    normal_tail,
    student_quantile,
    student_tail,
)


@given(st.floats(0.05, 5_000), st.floats(0, 3))
@settings(max_examples=200, deadline=None)
def test_gamma_tail(a: float, ratio: float) -> None:
    assert gamma_tail(a, a * ratio) == pytest.approx(special.gammaincc(a, a * ratio), rel=1e-8, abs=1e-13)


@pytest.mark.parametrize(("x", "freedom"), [(0.0, 1), (3.84, 1), (50.0, 3), (700.0, 10), (1e4, 1e4), (1e6, 5)])
def test_chi_squared_tail(x: float, freedom: float) -> None:
    assert chi_squared_tail(x, freedom) == pytest.approx(stats.chi2.sf(x, freedom), rel=1e-8, abs=1e-300)


def test_an_infinite_statistic_has_no_tail() -> None:
    assert gamma_tail(2.0, np.inf) == 0
    assert gamma_tail(2.0, -1.0) == 1


@given(st.floats(0, 6))
def test_kolmogorov_tail(x: float) -> None:
    assert kolmogorov_tail(x) == pytest.approx(stats.kstwobign.sf(x), rel=1e-9, abs=1e-13)


@given(st.floats(-8, 30))
def test_normal_tail(z: float) -> None:
    assert normal_tail(z) == pytest.approx(stats.norm.sf(z), rel=1e-9)


@given(st.floats(1e-9, 1 - 1e-9))
def test_normal_quantile(share: float) -> None:
    assert normal_quantile(share) == pytest.approx(stats.norm.ppf(share), rel=1e-9, abs=1e-9)


@given(st.floats(-40, 40), st.floats(0.5, 1e6))
def test_student_tail(t: float, freedom: float) -> None:
    # Near 0 a half is told from what is less by as much as 1 - 1 / (1 + t^2 / freedom) is from 0.
    near = 5e-6 if abs(t) < 1e-4 else 1e-13
    assert student_tail(t, freedom) == pytest.approx(stats.t.sf(t, freedom), rel=1e-6, abs=near)


@given(st.floats(1e-6, 1 - 1e-6), st.floats(1, 1e5))
@settings(max_examples=50, deadline=None)
def test_student_quantile(share: float, freedom: float) -> None:
    assert student_quantile(share, freedom) == pytest.approx(stats.t.ppf(share, freedom), rel=1e-6, abs=1e-9)


@given(st.floats(0.1, 500), st.floats(0.1, 500), st.floats(0, 1))
def test_beta_share(a: float, b: float, x: float) -> None:
    assert beta_share(a, b, x) == pytest.approx(special.betainc(a, b, x), rel=1e-7, abs=1e-12)
