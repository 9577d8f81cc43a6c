"""What follows from a simulation's figures."""

from __future__ import annotations

import pytest

from loopwright.simulation.records import Errors


def test_the_loop_regains_a_share_of_what_perfect_retraining_gains() -> None:
    assert Errors(loop=0.5, oracle=0.4, never=0.6).regained == pytest.approx(0.5)
    assert Errors(loop=0.7, oracle=0.4, never=0.6).regained == pytest.approx(-0.5)


@pytest.mark.parametrize("oracle", [0.1864, 0.1865, 0.2])
def test_of_next_to_nothing_there_is_no_share(oracle: float) -> None:
    assert Errors(loop=0.19, oracle=oracle, never=0.1865).regained is None
