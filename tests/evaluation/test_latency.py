"""Two versions timed in turns."""

from __future__ import annotations

import numpy as np
import pytest

from loopwright.evaluation import latency
from loopwright.evaluation.latency import compare_latency, one_by_one, take_turns


class Noted:
    """A predictor that notes whose turn it was, and whose time the test's clock tells."""

    def __init__(self, name: str, turns: list[str], clock: list[float], seconds: float) -> None:
        self.name, self.turns, self.clock, self.seconds = name, turns, clock, seconds

    def predict(self, columns):
        self.turns.append(self.name)
        self.clock[0] += self.seconds
        return {}


def test_each_row_is_asked_of_both_and_who_comes_first_alternates(monkeypatch):
    turns: list[str] = []
    clock = [0.0]
    monkeypatch.setattr(latency.time, "perf_counter", lambda: clock[0])
    ours, theirs = Noted("a", turns, clock, 0.002), Noted("b", turns, clock, 0.001)
    taken = take_turns(ours, theirs, [{"x": [1]}] * 10)
    assert turns[2 * latency.WARMING :] == ["b", "a", "a", "b"] * 5
    found = compare_latency(*taken)
    assert (found.candidate_ms, found.champion_ms, found.ratio) == pytest.approx((2.0, 1.0, 2.0))
    assert found.rows == 10


def test_patience_ends_before_slow_models_do(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(latency.time, "perf_counter", lambda: clock[0])
    slow = Noted("a", [], clock, 0.6)
    ours, _ = take_turns(slow, slow, [{"x": [1]}] * 10)
    assert len(ours) == 2


def test_the_interval_of_a_ratio_holds_it():
    random = np.random.default_rng(3)
    theirs = random.lognormal(0, 0.3, 200)
    found = compare_latency(1.5 * random.lognormal(0, 0.3, 200), theirs)
    assert found.low < 1.5 < found.high
    assert found.high - found.low < 0.5


def test_rows_are_asked_as_clients_send_them():
    from datetime import date

    assert one_by_one(["d", "x"], [{"d": date(2026, 1, 1), "x": None}]) == [{"d": ["2026-01-01"], "x": [None]}]
