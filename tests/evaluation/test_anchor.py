"""The anchor: which version stays the measure, and that quality cannot creep away, promotion by promotion."""

from __future__ import annotations

import numpy as np
import pytest

from loopwright.core.decision import Decision, Reason
from loopwright.evaluation.anchor import anchor_after
from loopwright.evaluation.gate import decide_gate
from loopwright.evaluation.records import Champion, Estimate, EvaluationReport
from loopwright.policies.gate import Gate
from tests.evaluation.figures import Z, comparison

FIRST = Champion(version=1, folder="bundles/1")
LATER = Champion(version=3, folder="bundles/3", anchor=FIRST)


ERROR = 0.1
"""A difference's standard error, in percent of the rows."""


def decided(**p_better: float | None) -> Decision:
    """As the gate says it, by rule; None where the rule could compare nothing."""
    reasons = [
        Reason(rule=rule, finding="pass", text=rule, figures={} if p is None else {"p_better": p, "alpha": 0.05})
        for rule, p in p_better.items()
    ]
    return Decision(passed=True, reasons=tuple(reasons))


@pytest.mark.parametrize(
    ("champion", "decision", "anchor"),
    [
        (None, decided(), None),
        (FIRST, decided(champion=0.05), None),
        (FIRST, decided(champion=0.3), 1),
        (FIRST, decided(champion=None), None),
        (LATER, decided(champion=0.01, anchor=0.3), 1),
        (LATER, decided(champion=0.3, anchor=0.01), None),
        (LATER, decided(champion=0.3), 3),
        (LATER, decided(champion=0.01), None),
        (LATER, decided(champion=None), None),
    ],
)
def test_who_is_shown_to_be_better_than_the_measure_becomes_it(champion, decision, anchor):
    assert anchor_after(decision, champion) == anchor


@pytest.mark.parametrize(("gate", "least"), [(Gate("accuracy"), 95.0), (Gate("accuracy", margin=0.02), 98.0)])
def test_however_many_are_promoted_no_more_than_one_margin_is_lost(gate, least):
    """Each candidate is truly worse than its champion, by less than the margin; none that counts is ever better."""
    random = np.random.default_rng(20261121)
    truth, champion, promoted = {1: 100.0}, FIRST, 0
    for version in range(2, 102):
        truth[version] = truth[champion.version] * (1 - gate.margin * random.uniform(0.1, 0.5))
        decision = decide_gate(gate, measured(truth, version, champion, gate, random)).decision
        if decision.passed:
            anchor = anchor_after(decision, champion)
            stands = FIRST if anchor == 1 else None
            champion = Champion(version=version, folder="", anchor=stands)
            promoted += 1
    assert promoted >= 2
    assert truth[champion.version] > least
    assert without_an_anchor(gate) < least


def without_an_anchor(gate: Gate) -> float:
    """Where the same candidates would have led, each held against its champion alone."""
    random, value = np.random.default_rng(20261121), 100.0
    for _ in range(100):
        value *= 1 - gate.margin * random.uniform(0.1, 0.5)
    return value


def measured(truth, version, champion, gate, random) -> EvaluationReport:
    """As 100,000 rows would tell the figures, which are here accuracies in percent."""
    rivals = {"champion": champion.version, "anchor": champion.anchor.version if champion.anchor else None}
    compared = []
    for who, rival in rivals.items():
        if rival:
            ahead = truth[version] - truth[rival] + random.normal(0, ERROR)
            more = {"baseline": truth[rival], "margin": gate.margin, "metric": "accuracy", "rows": 100_000}
            compared.append(comparison(who, ahead, ahead - Z * ERROR, **more))
    return EvaluationReport(
        candidate="c",
        champion=champion.version,
        task="binary",
        metric="accuracy",
        rows=100_000,
        metrics={"candidate": {"accuracy": Estimate(value=truth[version])}},
        comparisons=tuple(compared),
        slices=(),
        latency_ms=1.0,
        size_mb=1.0,
        reference="r",
    )
