"""The step's analysis: its error rates, and its agreement with SciPy."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from loopwright.rollout.records import RolloutPlan, VariantEvidence
from loopwright.rollout.rules import decide_step as decide_any
from loopwright.rollout.rules import more_failures_p

PLAN = RolloutPlan(
    strategy="Canary",
    steps=(10, 100),
    interval_seconds=10,
    patience_seconds=3600,
    min_requests=20,
    max_latency_ratio=2.0,
)
counts = st.integers(0, 400)
decide_step = partial(decide_any, weight=10, unseen_seconds=5)


@given(counts, counts, counts, counts)
@settings(max_examples=60)
def test_the_exact_test_agrees_with_scipy(n1: int, n2: int, e1: int, e2: int) -> None:
    e1, e2 = min(e1, n1), min(e2, n2)
    table = [[e1, n1 - e1], [e2, n2 - e2]]
    ours = more_failures_p(VariantEvidence(requests=n1, errors=e1), VariantEvidence(requests=n2, errors=e2))
    assert ours == pytest.approx(fisher_exact(table, alternative="greater").pvalue, rel=1e-6, abs=1e-12)


@given(st.integers(0, 500), st.floats(0, 1e5))
def test_a_challenger_without_failures_is_never_aborted(requests: int, seconds: float) -> None:
    seen = VariantEvidence(requests=requests, errors=0, p99_ms=2.0 if requests else None)
    champion = VariantEvidence(requests=1000, errors=5, p99_ms=2.0)
    assert decide_step(PLAN, seconds, seen, champion, requests).action != "abort"


def test_equal_variants_are_seldom_aborted() -> None:
    random = np.random.default_rng(7)
    aborted = 0
    for _ in range(400):
        a, b = random.binomial(500, 0.02), random.binomial(4500, 0.02)
        decision = decide_step(
            PLAN, 60, VariantEvidence(requests=500, errors=int(a)), VariantEvidence(requests=4500, errors=int(b)), 5000
        )
        aborted += decision.action == "abort"
    assert aborted <= 4


def test_without_a_champion_many_failures_abort() -> None:
    seen = VariantEvidence(requests=20, errors=6)
    assert decide_step(PLAN, 60, seen, VariantEvidence(), 20).action == "abort"


def test_every_hold_says_what_is_missing() -> None:
    decision = decide_step(PLAN, 60, VariantEvidence(requests=3), VariantEvidence(requests=100), 103)
    assert decision.action == "hold"
    assert decision.reasons[-1].text == "challenger answered 3 of 20 requests"


@pytest.mark.parametrize(("requests", "action"), [(49, "hold"), (50, "abort")])
def test_the_slowest_of_a_few_requests_is_no_p99(requests: int, action: str) -> None:
    challenger = VariantEvidence(requests=requests, p99_ms=80.0)
    champion = VariantEvidence(requests=1000, p99_ms=10.0)
    assert decide_step(PLAN, 5, challenger, champion, 1000).action == action
