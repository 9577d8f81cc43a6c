"""A bridge seen at a few moments strays as simulation has it, and at many as Kolmogorov has it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from loopwright.statistics.bridge import bridge_tail

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize(
    "moments", [np.arange(1, 20) / 20, np.array([0.02, 0.5, 0.97]), np.array([0.1, 0.11, 0.12, 0.7])]
)
def test_it_agrees_with_simulation(moments: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    steps = np.diff(moments, prepend=0.0, append=1.0)
    motion = np.cumsum(rng.normal(size=(200_000, len(steps))) * np.sqrt(steps), axis=1)
    furthest = np.abs(motion[:, :-1] - moments * motion[:, -1:]).max(axis=1)
    for height in (0.5, 0.9, 1.3, 1.7):
        share = float((furthest >= height).mean())
        assert bridge_tail(moments, height) == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 200_000))


@given(st.floats(0.05, 0.95), st.floats(0.1, 3))
@settings(max_examples=40, deadline=None)
def test_at_one_moment_it_is_a_normal_tail(moment: float, height: float) -> None:
    expected = 2 * stats.norm.sf(height / np.sqrt(moment * (1 - moment)))
    assert bridge_tail(np.array([moment]), height) == pytest.approx(min(1, expected), rel=1e-6, abs=1e-8)


def test_at_very_many_moments_it_nears_kolmogorovs() -> None:
    assert bridge_tail(np.arange(1, 400) / 400, 1.5) == pytest.approx(stats.kstwobign.sf(1.5), rel=0.2)
    assert bridge_tail(np.arange(1, 400) / 400, 1.5) < stats.kstwobign.sf(1.5)


@pytest.mark.parametrize("moments", [[], [0.0, 1.0], [0.0001], [np.nan]])
def test_where_it_is_not_looked_at_it_never_strays(moments: list[float]) -> None:
    assert bridge_tail(np.array(moments), 1.0) == 1.0


def test_far_out_it_is_almost_nothing_and_never_below_it() -> None:
    heights = np.linspace(0.01, 8, 200)
    found = [bridge_tail(np.arange(1, 20) / 20, float(height)) for height in heights]
    assert all(0 <= one <= 1 for one in found)
    assert all(b <= a * (1 + 1e-6) + 1e-8 for a, b in pairwise(found))
