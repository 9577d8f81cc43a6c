"""What a replay says for or against a candidate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from loopwright.core.price import CoreHour
from loopwright.evaluation.differences import Answers, compare_answers, segment
from loopwright.evaluation.gate import decide_gate
from loopwright.evaluation.records import Comparison, Estimate, EvaluationReport
from loopwright.evaluation.replay_records import LatencyComparison, ReplayError, ReplayReport
from loopwright.evaluation.replay_rules import judge_replay
from loopwright.policies.gate import Gate, Replay

REPORT = ReplayReport(candidate="c", champion=3, rows=1000)


def judged(report: ReplayReport, policy: Replay | None = None, **gate):
    """The reasons by rule."""
    return {one.rule: one for one in judge_replay(policy or Replay(), Gate(**gate), report)}


def failing(rows: int, *, column: str | None = "price", message: str = "the column 'price' is missing") -> ReplayReport:
    return replace(REPORT, failed=rows, errors=(ReplayError(column=column, message=message, rows=rows),))


def moved(share: float, *, by: float = 10.0, rows: int = 1000, segments=None) -> ReplayReport:
    before = np.random.default_rng(0).normal(0, 1, rows)
    after = before + np.where(np.arange(rows) < share * rows, by, 0)
    found = compare_answers(Answers(values=before), Answers(values=after), segments or {}, tolerance=0.1)
    return replace(REPORT, differences=found)


def timed(ratio: float, low: float, high: float, *, ms: float = 1.0) -> ReplayReport:
    found = LatencyComparison(candidate_ms=ms, champion_ms=ms / ratio, ratio=ratio, low=low, high=high, rows=200)
    return replace(REPORT, latency=found)


def test_where_nothing_was_replayed_there_is_nothing_to_say():
    assert judged(ReplayReport(candidate="c", champion=None, skipped="there is no champion")) == {}


def test_what_cannot_be_replayed_is_a_warning():
    reason = judged(ReplayReport(candidate="c", champion=1, impossible="'shop' is redacted"))["replay"]
    assert reason.finding == "warn"
    assert "'shop' is redacted" in reason.text


def test_all_answered_is_a_pass():
    reason = judged(REPORT)["replay_errors"]
    assert (reason.finding, reason.figures["failed"]) == ("pass", 0)
    assert "1,000 captured rows that version 3 answered" in reason.text


def test_one_row_without_an_answer_is_enough_where_none_is_allowed():
    reason = judged(failing(1))["replay_errors"]
    assert reason.finding == "fail"
    assert reason.text.startswith("the candidate does not answer 1 of 1,000")
    assert "the column 'price' is missing" in reason.text


@pytest.mark.parametrize(("rows", "finding"), [(5, "pass"), (10, "pass"), (12, "warn"), (30, "fail")])
def test_a_share_is_too_many_only_where_that_is_sure(rows, finding):
    assert judged(failing(rows), Replay(max_errors=0.01))["replay_errors"].finding == finding


def test_a_column_that_is_never_there_comes_with_a_way_out():
    assert 'Replay(sent=["price"])' in judged(failing(1000))["replay_errors"].text
    assert "sent=" not in judged(failing(999))["replay_errors"].text


@pytest.mark.parametrize(("share", "finding"), [(0.0, "pass"), (0.5, "pass"), (0.6, "warn"), (1.0, "warn")])
def test_large_differences_warn_and_refuse_nothing_by_themselves(share, finding):
    assert judged(moved(share))["replay_differences"].finding == finding


@pytest.mark.parametrize(("share", "finding"), [(0.05, "pass"), (0.105, "warn"), (0.2, "fail")])
def test_a_declared_limit_refuses_where_it_is_surely_passed(share, finding):
    reason = judged(moved(share), Replay(max_changed=0.1))["replay_differences"]
    assert reason.finding == finding
    assert "10.0% may move" in reason.text


def test_a_limit_on_few_rows_is_not_surely_passed():
    assert judged(moved(0.2, rows=20), Replay(max_changed=0.1))["replay_differences"].finding == "warn"


def test_many_rows_that_are_called_another_class_warn():
    p = np.linspace(0, 1, 1000)
    values = np.stack([1 - p, p], axis=1)
    before = Answers(values=values, labels=tuple(np.where(p > 0.5, "yes", "no")))
    after = Answers(values=values, labels=tuple(np.where(p > 0.7, "yes", "no")))
    found = compare_answers(before, after, {}, tolerance=0.1)
    reason = judged(replace(REPORT, differences=found))["replay_differences"]
    assert reason.finding == "warn"
    assert "20.0% are called another class" in reason.text


def test_the_segment_with_most_changes_is_named_where_it_surely_has_more():
    shop = np.where(np.arange(1000) < 200, "north", "south")
    assert (
        "most where shop is north: 100.0% of 200"
        in judged(moved(0.2, segments={"shop": segment(shop)}))["replay_differences"].text
    )
    mixed = np.where(np.arange(1000) % 2, "north", "south")
    assert "north" not in judged(moved(0.2, segments={"shop": segment(mixed)}))["replay_differences"].text


def test_answers_to_rows_with_an_empty_column_are_not_judged():
    reason = judged(replace(moved(1.0), unheard=("humidity",)), Replay(max_changed=0.1))["replay_differences"]
    assert reason.finding == "warn"
    assert "humidity was empty" in reason.text


@pytest.mark.parametrize(
    ("ratio", "low", "high", "finding"), [(1.0, 0.9, 1.1, "pass"), (2.2, 1.9, 2.5, "pass"), (3.0, 2.5, 3.5, "warn")]
)
def test_latency_without_a_budget_warns_at_most(ratio, low, high, finding):
    assert judged(timed(ratio, low, high))["replay_latency"].finding == finding


@pytest.mark.parametrize(
    ("ratio", "low", "high", "finding"), [(1.4, 1.3, 1.45, "pass"), (1.6, 1.4, 1.8, "warn"), (1.6, 1.55, 1.7, "fail")]
)
def test_a_declared_ratio_refuses_where_it_is_surely_passed(ratio, low, high, finding):
    policy = Replay(max_latency_ratio=1.5)
    assert judged(timed(ratio, low, high), policy)["replay_latency"].finding == finding


def test_the_gates_budget_holds_for_captured_rows_too():
    assert judged(timed(1, 0.9, 1.1, ms=6.0), max_latency_ms=5.0)["replay_latency"].finding == "fail"
    assert judged(timed(1, 0.9, 1.1, ms=4.0), max_latency_ms=5.0)["replay_latency"].finding == "pass"


def test_cost_is_in_core_hours_and_in_money_where_its_price_is_known():
    assert "a million take 0.278 hours of a core" in judged(timed(1, 0.9, 1.1))["replay_latency"].text
    priced = judge_replay(Replay(), Gate(), timed(1, 0.9, 1.1), CoreHour(price=0.05, currency="EUR"))[-1].text
    assert "a million cost 0.0139 EUR" in priced
    assert "(at 0.05 EUR an hour of a core)" in priced


def test_the_gate_takes_the_reasons_among_its_own():
    better = Comparison(
        against="dummy",
        metric="rmse",
        difference=1,
        low=0.5,
        high=2,
        confidence=0.95,
        rows=100,
        baseline=3,
        p_better=0.001,
    )
    report = EvaluationReport(
        candidate="c",
        champion=None,
        task="regression",
        metric="rmse",
        rows=100,
        metrics={"candidate": {"rmse": Estimate(value=2.0)}},
        comparisons=(better,),
        slices=(),
        latency_ms=1.0,
        size_mb=1.0,
        reference="",
    )
    assert decide_gate(Gate(), report, replay=judge_replay(Replay(), Gate(), REPORT)).passed
    refused = decide_gate(Gate(), report, replay=judge_replay(Replay(), Gate(), failing(1)))
    assert [one.rule for one in refused.decision.failures] == ["replay_errors"]
