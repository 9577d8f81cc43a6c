"""The threshold maximises its objective on the rows given: no other one does better."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.policies.training import Threshold
from loopwright.statistics.metrics import metric
from loopwright.training.threshold import choose_threshold

ROWS = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0])), min_size=1, max_size=40)


def worth(objective: str, y: np.ndarray, probability: np.ndarray, threshold: float) -> float:
    if objective != "youden":
        return metric("binary", objective, y, probability, threshold=threshold) or 0.0
    called = probability >= threshold
    return float(called[y == 1].mean() - called[y == 0].mean())


@pytest.mark.parametrize("objective", ["f1", "accuracy", "youden"])
@settings(max_examples=60, deadline=None)
@given(rows=ROWS)
def test_no_other_threshold_does_better(objective: str, rows: list[tuple[bool, float]]) -> None:
    y, probability = np.array([one for one, _ in rows], dtype=np.int64), np.array([one for _, one in rows])
    chosen = choose_threshold(Threshold(objective), y, probability)
    if len(set(y)) == 1:
        assert chosen == 0.5
        return
    best = max(worth(objective, y, probability, one) for one in np.linspace(0, 1.01, 203))
    assert worth(objective, y, probability, chosen) == pytest.approx(best)


def test_a_number_is_the_threshold_itself() -> None:
    assert choose_threshold(Threshold(0.3), np.array([0, 1]), np.array([0.1, 0.9])) == 0.3


def test_of_equally_good_ones_the_nearest_to_a_half_is_taken() -> None:
    y, probability = np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9])
    assert choose_threshold(Threshold("f1"), y, probability) == 0.5
