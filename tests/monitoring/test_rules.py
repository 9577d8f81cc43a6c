"""A window is judged by its columns, its errors and its latencies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.bundle.records import Reference, ReferenceColumn
from loopwright.monitoring.columns import compare_columns
from loopwright.monitoring.records import JointDrift
from loopwright.monitoring.rules import (
    judge_drift,
    judge_errors,
    judge_joint,
    judge_latency,
    judge_quality,
    judge_silence,
    judge_volume,
)
from loopwright.policies.retraining import Drift
from loopwright.traffic.summary import LATENCY_EDGES_MS, ColumnCounts, WindowSummary

DRIFT = Drift()
SHARES = (0.1, 0.2, 0.4, 0.2, 0.1)


def number(name: str, importance: float = 0.0, counts: tuple[int, ...] = (100, 200, 400, 200, 100)) -> ReferenceColumn:
    return ReferenceColumn(name=name, kind="number", counts=counts, edges=(0.0, 1.0, 2.0, 3.0), importance=importance)


def category(name: str, importance: float = 0.0) -> ReferenceColumn:
    return ReferenceColumn(
        name=name, kind="category", counts=(500, 300, 190, 10), values=("a", "b", "c"), importance=importance
    )


def window(**columns: ColumnCounts) -> WindowSummary:
    return WindowSummary(
        endpoint="demand",
        revision=1,
        variant="champion",
        version=1,
        start=datetime(2026, 1, 1, tzinfo=UTC),
        seconds=60.0,
        columns={name.replace("__", "."): counts for name, counts in columns.items()},
    )


def judged(reference: Reference, seen: WindowSummary, drift: Drift = DRIFT):
    columns = compare_columns(reference, seen, drift)
    return columns, judge_drift(columns, 1000, drift)


def test_a_category_that_takes_over_has_drifted():
    reference = Reference(rows=1000, columns=(category("input.weather"),))
    (column,), verdict = judged(reference, window(input__weather=ColumnCounts(bins=(100, 100, 790, 10))))
    assert column.test == "chi2"
    assert column.drifted
    assert "input.weather drifted: PSI" in verdict.decision.because()


def test_a_large_psi_of_few_rows_is_not_enough_and_neither_is_a_sure_but_small_one():
    reference = Reference(rows=100, columns=(number("input.temp", counts=(10, 20, 40, 20, 10)),))
    (few,), _ = judged(reference, window(input__temp=ColumnCounts(bins=(2, 2, 1, 1, 1))))
    assert few.psi > DRIFT.psi
    assert not few.drifted
    million = tuple(round(1_000_000 * share) for share in (0.11, 0.2, 0.39, 0.2, 0.1))
    was = tuple(round(1_000_000 * share) for share in SHARES)
    big = Reference(rows=1_000_000, columns=(number("input.temp", counts=was),))
    (sure,), _ = judged(big, window(input__temp=ColumnCounts(bins=million)))
    assert sure.p_value < 0.001
    assert not sure.drifted


def test_drift_of_a_column_the_model_hardly_uses_is_said_but_raises_nothing():
    reference = Reference(rows=1000, columns=(number("input.temp", 0.98), number("input.instant", 0.02)))
    same, moved = ColumnCounts(bins=(100, 200, 400, 200, 100)), ColumnCounts(bins=(0, 0, 0, 0, 1000))
    _, verdict = judged(reference, window(input__temp=same, input__instant=moved))
    assert verdict.decision.passed
    assert "input.instant drifted" in verdict.decision.because()
    assert "hardly uses it" in verdict.decision.because()
    _, verdict = judged(reference, window(input__temp=moved, input__instant=same))
    assert not verdict.decision.passed


def test_where_no_importance_is_known_every_column_matters_and_outputs_always_do():
    moved = ColumnCounts(bins=(0, 0, 0, 0, 1000))
    unknown = Reference(rows=1000, columns=(number("input.temp"),))
    assert not judged(unknown, window(input__temp=moved))[1].decision.passed
    output = Reference(rows=1000, columns=(number("input.temp", 1.0), number("output.prediction")))
    assert not judged(output, window(output__prediction=moved))[1].decision.passed


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(max_examples=50, deadline=None)
def test_a_column_matters_where_it_weighs_enough_by_itself(importances):
    columns = tuple(number(f"input.c{place}", share) for place, share in enumerate(importances))
    seen = window(**{f"input__c{place}": ColumnCounts(bins=(1, 1, 1, 1, 1)) for place in range(len(columns))})
    compared = compare_columns(Reference(rows=1000, columns=columns), seen, DRIFT)
    if sum(importances) > 0:
        assert sum(one.weight for one in compared) == pytest.approx(1)
        assert all(one.matters == (one.weight >= DRIFT.weight) for one in compared)
    else:
        assert all(one.matters for one in compared)


def test_inputs_that_matter_little_alone_matter_together():
    reference = Reference(
        rows=1000,
        columns=(number("input.temp", 0.9), *(number(f"input.c{one}", 0.04 - one / 1000) for one in range(3))),
    )
    same, moved = ColumnCounts(bins=(100, 200, 400, 200, 100)), ColumnCounts(bins=(0, 0, 0, 0, 1000))
    _, verdict = judged(reference, window(input__temp=same, input__c0=moved, input__c1=same, input__c2=same))
    assert verdict.decision.passed
    assert "carry 4% of the model's importance (limit 5%)" in verdict.decision.because()
    _, verdict = judged(reference, window(input__temp=same, input__c0=moved, input__c1=moved, input__c2=same))
    assert not verdict.decision.passed
    assert "carry 8% of the model's importance" in verdict.decision.because()


def test_stationary_windows_alarm_no_more_often_than_alpha():
    """With no limit on the PSI the corrected test alone speaks: 300 windows of 6 columns from one population."""
    random = np.random.default_rng(7)
    drift = Drift(psi=0.0, alpha=0.05)
    reference = Reference(
        rows=5000,
        columns=tuple(number(f"input.c{one}", counts=_drawn(random, 5000)) for one in range(6)),
    )
    alarms = 0
    for _ in range(300):
        seen = window(**{f"input__c{one}": ColumnCounts(bins=_drawn(random, 500)) for one in range(6)})
        alarms += not judge_drift(compare_columns(reference, seen, drift), 500, drift).decision.passed
    assert alarms <= 300 * 0.05 + 3 * (300 * 0.05 * 0.95) ** 0.5


def test_a_shift_is_found_in_every_window():
    random = np.random.default_rng(8)
    reference = Reference(rows=5000, columns=(number("input.temp", counts=_drawn(random, 5000)),))
    for _ in range(50):
        seen = window(input__temp=ColumnCounts(bins=_drawn(random, 500, (0.02, 0.08, 0.3, 0.3, 0.3))))
        assert not judge_drift(compare_columns(reference, seen, DRIFT), 500, DRIFT).decision.passed


def test_values_gone_missing_and_values_never_seen_break_the_inputs():
    reference = Reference(rows=1000, columns=(number("input.temp"), category("input.weather")))
    seen = window(
        input__temp=ColumnCounts(bins=(80, 160, 320, 160, 80), missing=200),
        input__weather=ColumnCounts(bins=(400, 250, 150, 200)),
    )
    columns, drift = judged(reference, seen)
    verdict = judge_quality(columns, 1000, DRIFT)
    assert "input.temp is missing in 20.0% of the rows, in the reference in 0.0%" in verdict.decision.because()
    assert "input.weather is unseen in 20.0% of the rows, in the reference in 1.0%" in verdict.decision.because()
    assert not any(reason.rule == "drift" and "input.temp" in reason.text for reason in drift.decision.failures)


def test_numbers_beyond_all_that_the_reference_showed_break_the_inputs():
    column = number("input.temp", counts=(0, 300, 400, 300, 0))
    seen = window(input__temp=ColumnCounts(bins=(0, 250, 330, 220, 200)))
    columns, _ = judged(Reference(rows=1000, columns=(column,)), seen)
    verdict = judge_quality(columns, 1000, DRIFT)
    assert not verdict.decision.passed
    assert "outside the reference's range in 20.0% of the rows" in verdict.decision.because()


def test_inputs_that_are_unlike_the_evaluation_rows_at_once_may_be_computed_otherwise():
    reference = Reference(rows=1000, columns=(number("input.temp"),))
    columns, _ = judged(reference, window(input__temp=ColumnCounts(bins=(100, 500, 200, 100, 100))))
    first = judge_quality(columns, 1000, DRIFT, first=True)
    assert first.decision.passed
    assert any("computed as it was in training" in reason.text for reason in first.decision.reasons)
    assert not any(reason.rule == "skew" for reason in judge_quality(columns, 1000, DRIFT).decision.reasons)


@pytest.mark.parametrize(
    ("asked", "usual", "judged", "passed"),
    [
        (0, [1000, 1100, 900, 1050], True, False),
        (5000, [1000, 1100, 900, 1050], True, False),
        (700, [1000, 1100, 900, 1050], True, True),  # sure, but not half
        (2, [4, 6, 5, 4], True, True),  # half, but not sure
        (0, [1000, 1100, 900], False, True),
        (0, [0, 0, 0, 0], True, True),
        (300, [1000, 20, 2500, 90, 700], True, True),  # it is never the same
        (10**9, [10**6] * 8, True, False),
    ],
)
def test_the_volume_fails_where_it_is_surely_and_much_unusual(asked, usual, judged, passed):
    verdict = judge_volume(asked, usual, DRIFT)
    assert (verdict.judged, verdict.decision.passed) == (judged, passed)


@pytest.mark.parametrize(
    ("hours", "gaps", "judged", "passed"),
    [
        (2, [0.0] * 30, True, False),
        (2, [0.0] * 29 + [3600.0], True, True),
        (4, [0.0] * 29 + [3600.0], True, False),
        (900, [0.0] * 5, False, True),
        (0, [0.0] * 30, True, True),
    ],
)
def test_a_silence_fails_where_it_is_far_longer_than_any_before(hours, gaps, judged, passed):
    verdict = judge_silence("requests", timedelta(hours=hours), gaps)
    assert (verdict.judged, verdict.decision.passed) == (judged, passed)


@pytest.mark.parametrize(("auc", "p", "passed"), [(0.9, 1e-9, False), (0.9, 0.2, True), (0.55, 1e-9, True)])
def test_rows_must_be_told_apart_well_and_surely(auc, p, passed):
    verdict = judge_joint(JointDrift(auc=auc, p_value=p, rows=900, was_rows=900, columns={"a": 1.0}), DRIFT)
    assert verdict.decision.passed is passed
    assert not judge_joint(None, DRIFT).judged


def test_values_that_were_always_missing_break_nothing():
    column = ReferenceColumn(name="input.temp", kind="number", counts=(100, 200, 200), edges=(0.0, 1.0), missing=500)
    seen = window(input__temp=ColumnCounts(bins=(95, 195, 200), missing=510))
    columns, _ = judged(Reference(rows=1000, columns=(column,)), seen)
    assert judge_quality(columns, 1000, DRIFT).decision.passed


def test_bins_of_another_reference_are_not_compared():
    reference = Reference(rows=1000, columns=(number("input.temp"),))
    (column,), _ = judged(reference, window(input__temp=ColumnCounts(bins=(1, 2, 3))))
    assert column.psi is None
    assert not column.drifted


def test_without_a_reference_nothing_is_judged():
    _, verdict = judged(Reference(rows=0, columns=()), window(input__temp=ColumnCounts(bins=(1000,))))
    assert not verdict.judged
    assert "no reference" in verdict.decision.because()


@pytest.mark.parametrize(
    ("answered", "failed", "judged", "passed"),
    [(1000, 5, True, True), (950, 50, True, False), (9, 9, False, True), (0, 100, True, False), (21, 1, True, True)],
)
def test_errors_fail_a_window_only_where_surely_too_many(answered, failed, judged, passed):
    seen = WindowSummary(
        endpoint="demand",
        revision=1,
        variant="champion",
        version=1,
        start=datetime(2026, 1, 1, tzinfo=UTC),
        seconds=60.0,
        requests=answered,
        errors={"model": failed},
    )
    verdict = judge_errors(seen)
    assert (verdict.judged, verdict.decision.passed) == (judged, passed)


def test_latency_is_judged_against_the_usual_one():
    def answers(ms: float, count: int) -> np.ndarray:
        counts = np.zeros(len(LATENCY_EDGES_MS) + 1, dtype=int)
        counts[np.searchsorted(LATENCY_EDGES_MS, ms)] = count
        return counts

    def verdict(counts, usual):
        seen = window()
        return judge_latency(
            WindowSummary(
                endpoint=seen.endpoint,
                revision=1,
                variant="champion",
                version=1,
                start=seen.start,
                seconds=60.0,
                latency=tuple(counts.tolist()),
            ),
            usual.tolist(),
        )

    usual = answers(10, 1000)
    assert verdict(answers(12, 1000), usual).decision.passed
    assert verdict(answers(10, 999) + answers(200, 1), usual).decision.passed
    assert not verdict(answers(10, 900) + answers(200, 100), usual).decision.passed
    assert verdict(answers(0.9, 1000), answers(0.3, 1000)).decision.passed  # three times as long, but milliseconds
    assert not verdict(answers(10, 10), usual).judged


def _drawn(random: np.random.Generator, rows: int, shares: tuple[float, ...] = SHARES) -> tuple[int, ...]:
    return tuple(random.multinomial(rows, shares).tolist())
