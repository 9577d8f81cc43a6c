"""How long two versions take for the same rows: asked in turns, so that whatever else the machine does meets both."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from loopwright.evaluation.replay_records import LatencyComparison
from loopwright.ports.predictor import Columns, Predictor
from loopwright.statistics.arrays import Floats

ASKED = 200
"""Rows that are asked one by one, and at most for `PATIENCE` seconds."""
PATIENCE = 2.0
WARMING = 3
RESAMPLES = 500


def take_turns(candidate: Predictor, champion: Predictor, rows: Sequence[Columns]) -> tuple[Floats, Floats]:
    """Seconds that each took for each of the first `ASKED` single `rows`; who comes first alternates."""
    for row in rows[:WARMING]:
        candidate.predict(row)
        champion.predict(row)
    ours: list[float] = []
    theirs: list[float] = []
    for place, row in enumerate(rows[:ASKED]):
        turns = [(candidate, ours), (champion, theirs)]
        for predictor, taken in turns if place % 2 else reversed(turns):
            began = time.perf_counter()
            predictor.predict(row)
            taken.append(time.perf_counter() - began)
        if sum(ours) + sum(theirs) > PATIENCE:
            break
    return np.array(ours), np.array(theirs)


def compare_latency(candidate: Floats, champion: Floats, *, seed: int = 0) -> LatencyComparison:
    """Seconds [n] of each for the same rows, as medians and their ratio, which is bootstrapped over the rows (Efron,
    1979, the percentile interval). Raises `ValueError` without a row.
    """
    draws = np.random.default_rng(seed).integers(0, len(candidate), size=(RESAMPLES, len(candidate)))
    ratios = np.median(candidate[draws], axis=1) / np.median(champion[draws], axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    ours, theirs = float(np.median(candidate)), float(np.median(champion))
    return LatencyComparison(
        candidate_ms=ours * 1000,
        champion_ms=theirs * 1000,
        ratio=ours / theirs,
        low=float(low),
        high=float(high),
        rows=len(candidate),
    )


def one_by_one(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> list[Columns]:
    """Rows as single requests bring them: JSON values, dates as text."""
    return [{name: [as_sent(row[name])] for name in names} for row in rows]


def as_sent(value: Any) -> Any:
    """A value as a client would send it."""
    return value.isoformat() if hasattr(value, "isoformat") else value
