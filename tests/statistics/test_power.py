"""How many rows are needed agrees with statsmodels, and grows as it must."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.power import NormalIndPower

from loopwright.statistics.power import rows_needed


@given(st.floats(0.05, 0.5), st.floats(0.001, 0.2), st.floats(0.5, 0.95))
def test_rows_needed_are_those_of_a_z_test(size: float, alpha: float, power: float) -> None:
    """Of an effect of `size` standard deviations, each row's own error being 1."""
    expected = NormalIndPower(ddof=0).solve_power(size, alpha=alpha, power=power, ratio=0, alternative="larger")
    found = rows_needed(100, 0.1, size, alpha=alpha, power=power)
    assert found is not None
    assert found == pytest.approx(expected, abs=1.01, rel=1e-3)


@given(st.integers(10, 10_000), st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0.001, 0.2))
def test_that_many_rows_have_the_power(rows: int, error: float, effect: float, alpha: float) -> None:
    needed = rows_needed(rows, error, effect, alpha=alpha)
    assert needed is not None
    standard_errors = effect / error * (needed / rows) ** 0.5
    assert norm.sf(norm.isf(alpha) - standard_errors) >= 0.8 - 1e-9


@pytest.mark.parametrize(("error", "effect"), [(0.0, 1.0), (1.0, 0.0), (1.0, -1.0)])
def test_no_number_follows_without_an_error_or_an_effect(error: float, effect: float) -> None:
    assert rows_needed(100, error, effect, alpha=0.05) is None
