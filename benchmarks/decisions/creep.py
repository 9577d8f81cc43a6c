"""Creep: what is left of a model's quality when every candidate that comes is a little worse than its champion."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from serving.figures import Figure, figure

from decisions.effort import Effort
from loopwright.evaluation.anchor import anchor_after
from loopwright.evaluation.bench import as_comparison
from loopwright.evaluation.gate import decide_gate
from loopwright.evaluation.records import Champion, Comparison, Estimate, EvaluationReport, Who
from loopwright.policies.gate import Gate
from loopwright.statistics.arrays import Floats
from loopwright.statistics.dependence import independent
from loopwright.statistics.metrics import prepare
from loopwright.statistics.paired import compare
from loopwright.statistics.special import normal_quantile

GATE = Gate("accuracy")
CANDIDATES, ROWS = 50, 2_000
WORSE = 0.01
"""Each candidate is truly worse than the champion that it finds, by this share of its accuracy."""
FIRST = 0.85
ALIKE = 0.9
"""How much of what makes a row hard is so for all models."""


def measure(effort: Effort) -> Iterator[Figure]:
    for anchored in (False, True):
        rng = np.random.default_rng([effort.seed, 50])
        ends = [_chain(rng, anchored) for _ in range(max(5, effort.simulations // 50))]
        lost = [100 * (1 - left / FIRST) for left, _ in ends]
        promoted = np.median([count for _, count in ends])
        beside = "with the anchor" if anchored else "without the anchor"
        goal = {"at_most": 100 * GATE.margin} if anchored else {}
        note = f"of accuracy, after {CANDIDATES} candidates each {WORSE:.0%} worse; {promoted:.0f} promoted (median)"
        yield figure("gate", f"creep {beside}: lost", "%", lost, note=note, **goal)


def _chain(rng: np.random.Generator, anchored: bool) -> tuple[float, int]:
    """The true accuracy of the last champion, and how many were promoted."""
    truth, champion, promoted = {1: FIRST}, Champion(version=1, folder=""), 0
    for version in range(2, CANDIDATES + 2):
        truth[version] = truth[champion.version] * (1 - WORSE)
        decision = decide_gate(GATE, _evaluated(rng, truth, version, champion)).decision
        if decision.passed:
            measure = anchor_after(decision, champion) if anchored else None
            anchor = None if measure is None else Champion(version=measure, folder="")
            champion, promoted = Champion(version=version, folder="", anchor=anchor), promoted + 1
    return truth[champion.version], promoted


def _evaluated(rng: np.random.Generator, truth: dict[int, float], version: int, champion: Champion) -> EvaluationReport:
    """On rows of its own, newer than all that judged before."""
    hard = rng.normal(size=ROWS)
    ours = _hits(rng, hard, truth[version])
    rivals: dict[Who, Champion | None] = {"champion": champion, "anchor": champion.anchor}
    return EvaluationReport(
        candidate=str(version),
        champion=champion.version,
        task="binary",
        metric="accuracy",
        rows=ROWS,
        metrics={"candidate": {"accuracy": Estimate(value=float(ours.mean()))}},
        comparisons=tuple(
            _compared(who, ours, _hits(rng, hard, truth[one.version])) for who, one in rivals.items() if one
        ),
        slices=(),
        latency_ms=1.0,
        size_mb=1.0,
        reference="",
    )


def _hits(rng: np.random.Generator, hard: Floats, share: float) -> Floats:
    noise = np.sqrt(ALIKE) * hard + np.sqrt(1 - ALIKE) * rng.normal(size=len(hard))
    return (noise < normal_quantile(share)) * 1.0


def _compared(who: Who, ours: Floats, theirs: Floats) -> Comparison:
    first, second = (prepare("binary", "accuracy", np.ones(ROWS), one) for one in (ours, theirs))
    assert first is not None
    assert second is not None
    found = compare(first, second, independent(ROWS), more_is_better=True, margin=GATE.margin)
    assert found is not None
    return as_comparison(who, "accuracy", found, rows=ROWS, confidence=GATE.confidence)
