"""The step's analysis: what aborts, what holds, what advances, and how sure it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.outcomes.records import Losses
from loopwright.rollout.evidence import next_look, qualities
from loopwright.rollout.records import Block, Quality, RolloutPlan, StepDecision, StepEvidence, VariantEvidence
from loopwright.rollout.rules import decide_step
from loopwright.traffic.summary import LATENCY_EDGES_MS, SLOTS, ColumnCounts, SlotCounts, WindowSummary

START = datetime(2026, 1, 2, tzinfo=UTC)
PLAN = RolloutPlan(
    strategy="Canary",
    steps=(10, 100),
    interval_seconds=10,
    patience_seconds=3600,
    min_requests=20,
    max_latency_ratio=2.0,
)
AB = replace(PLAN, strategy="ABTest", steps=(50,), metric="quality")


def window(version: int, requests: int, errors: int = 0, ms: float = 2.0, **more: object) -> WindowSummary:
    latency = [0] * (len(LATENCY_EDGES_MS) + 1)
    latency[int(np.searchsorted(LATENCY_EDGES_MS, ms))] = requests - errors
    values = {
        "endpoint": "demand",
        "revision": 1,
        "variant": "champion" if version == 1 else "challenger",
        "version": version,
        "start": START,
        "seconds": 1.0,
        "requests": requests - errors,
        "rows": requests - errors,
        "errors": {"model": errors} if errors else {},
        "latency": tuple(latency),
    }
    return WindowSummary(**(values | more))


def seen(ours: WindowSummary, theirs: WindowSummary | None, **more: object) -> StepEvidence:
    """One window of each, answered side by side."""

    def variant(one: WindowSummary) -> VariantEvidence:
        errors = sum(one.errors.values())
        p99 = LATENCY_EDGES_MS[int(np.argmax(one.latency))] if one.requests else None
        return VariantEvidence(requests=one.requests + errors, errors=errors, p99_ms=p99, latency=one.latency)

    values = {
        "challenger": variant(ours),
        "champion": variant(theirs) if theirs else VariantEvidence(),
        "asked": variant(ours).requests + (variant(theirs).requests if theirs else 0),
        "blocks": (Block(challenger=ours, champion=theirs),) if theirs else (),
    }
    return StepEvidence(**(values | more))


def decide(found: StepEvidence, plan: RolloutPlan = PLAN, seconds: float = 60, weight: int = 10) -> StepDecision:
    return decide_step(plan, seconds, found, weight=weight, unseen_seconds=5)


def why(decision: StepDecision, rule: str) -> str:
    return next(one.text for one in decision.reasons if one.rule == rule)


@given(st.integers(1, 500), st.floats(0, 1e5))
@settings(max_examples=30, deadline=None)
def test_a_challenger_without_failures_is_never_aborted(requests: int, seconds: float) -> None:
    assert decide(seen(window(2, requests), window(1, 1000, 5)), seconds=seconds).action != "abort"


def test_many_more_failures_than_the_champions_abort() -> None:
    decision = decide(seen(window(2, 20, 10), window(1, 200)))
    assert decision.action == "abort"
    assert why(decision, "errors").startswith("challenger failed 10 of 20 requests, champion 0 of 200 (evidence")


def test_equal_variants_are_seldom_aborted() -> None:
    random = np.random.default_rng(7)
    ended = sum(
        decide(
            seen(window(2, 500, int(random.binomial(500, 0.02))), window(1, 4500, int(random.binomial(4500, 0.02))))
        ).action
        == "abort"
        for _ in range(400)
    )
    assert ended <= 4


def test_without_a_champion_many_failures_abort_and_few_do_not() -> None:
    assert decide(seen(window(2, 40, 20), None), weight=100).action == "abort"
    assert decide(seen(window(2, 20, 3), None), weight=100).action != "abort"


def test_with_all_traffic_it_is_held_against_what_the_champion_did_before() -> None:
    before = VariantEvidence(requests=5000, errors=50)
    worse, same = (replace(seen(window(2, 2000, bad), None), champion=before) for bad in (120, 22))
    assert decide(worse, weight=100).action == "abort"
    assert decide(same, weight=100).action == "advance"


def test_with_all_traffic_it_is_not_held_against_what_both_did_side_by_side_before() -> None:
    before = VariantEvidence(requests=2000, errors=20)
    block = (Block(challenger=window(2, 1000, 10), champion=window(1, 1000, 10)),)
    worse, same = (replace(seen(window(2, 2000, bad), None), champion=before, blocks=block) for bad in (900, 20))
    assert decide(worse, weight=100).action == "abort"
    assert decide(same, weight=100).action == "advance"


def test_copies_that_found_a_shadows_queue_full_are_not_its_own_failures() -> None:
    copies = replace(window(2, 900, shadow=True), errors={"overload": 500})
    plan = replace(PLAN, strategy="Shadow", steps=(100,), shadow=True)
    found = replace(seen(copies, window(1, 2000)), challenger=VariantEvidence(requests=900))
    assert decide(found, plan, weight=100).action == "advance"
    failed = Block(challenger=replace(copies, errors={"model": 500}), champion=window(1, 2000))
    assert decide(replace(found, blocks=(failed,)), plan, weight=100).action == "abort"


def test_one_customer_whom_the_challenger_never_had_does_not_abort_it() -> None:
    one, many = (VariantEvidence(requests=1000, slots=(slots, 0.0)) for slots in (1, 200))
    found = StepEvidence(challenger=VariantEvidence(), champion=one, asked=1000, keyed=True)
    assert decide(found, seconds=3600).action == "advance"
    assert decide(replace(found, champion=many), seconds=3600).action == "abort"


def test_every_hold_says_what_is_missing() -> None:
    decision = decide(seen(window(2, 3), window(1, 100)))
    assert decision.action == "hold"
    assert decision.reasons[-1].text == "challenger answered 3 of 20 requests"


@pytest.mark.parametrize(("requests", "action"), [(49, "advance"), (50, "abort")])
def test_latencies_of_a_few_requests_are_not_judged(requests: int, action: str) -> None:
    assert decide(seen(window(2, requests, ms=80.0), window(1, 1000, ms=10.0))).action == action


@pytest.mark.parametrize(
    ("ours", "theirs", "action"), [(18.0, 10.0, "advance"), (4.0, 0.5, "advance"), (60.0, 10.0, "abort")]
)
def test_latency_up_to_the_ratio_or_a_few_milliseconds_is_fine(ours: float, theirs: float, action: str) -> None:
    assert decide(seen(window(2, 2000, ms=ours), window(1, 9000, ms=theirs))).action == action


def test_one_hiccup_of_the_machine_ends_nothing() -> None:
    slow = window(2, 400)
    latency = list(slow.latency)
    latency[60] += 2
    assert decide(seen(replace(slow, latency=tuple(latency), requests=402), window(1, 3000))).action == "advance"


def test_with_all_traffic_latency_is_held_against_a_bound_of_the_champions() -> None:
    before = seen(window(1, 5000, ms=10.0), None).challenger
    slow, fast = (replace(seen(window(2, 2000, ms=ms), None), champion=before) for ms in (60.0, 12.0))
    assert decide(slow, weight=100).action == "abort"
    assert decide(fast, weight=100).action == "advance"


def test_all_traffic_at_once_is_held_against_the_latency_of_the_hour_before() -> None:
    plan = replace(PLAN, strategy="BlueGreen", steps=(100,))
    before = seen(window(1, 5000, ms=10.0), None).challenger
    slow, fast = (replace(seen(window(2, 200, ms=ms), None), before=before) for ms in (60.0, 12.0))
    decision = decide(slow, plan, weight=100)
    assert decision.action == "abort"
    assert "where 1 % may" in why(decision, "latency")
    assert decide(fast, plan, weight=100).action == "advance"
    few = decide(replace(slow, before=seen(window(1, 200, ms=10.0), None).challenger), plan, weight=100)
    assert few.action == "advance"
    assert "too few answers of the champion" in why(few, "latency")


@pytest.mark.parametrize(("share", "action"), [(0.5, "abort"), (0.02, "advance")])
def test_all_traffic_of_keys_at_once_is_held_against_the_latency_of_the_hour_before(share: float, action: str) -> None:
    """One customer's 3,000 slow requests count as one."""
    plan = replace(PLAN, strategy="BlueGreen", steps=(100,))
    requests = np.full(SLOTS, 20)
    slow = np.random.default_rng(1).binomial(requests, share)
    requests[7] = slow[7] = 3000
    counts = SlotCounts(
        slots=tuple(range(SLOTS)), requests=tuple(requests.tolist()), failed=(0,) * SLOTS, slow=tuple(slow.tolist())
    )
    ours = window(2, int(requests.sum()), by_slot=counts)
    look = next_look([ours], (), 2, 100)
    assert look is not None
    before = seen(window(1, 5000), None).challenger
    decision = decide(seen(ours, None, keyed=True, looks=(look,), before=before), plan, weight=100)
    assert decision.action == action
    assert "of a key's answers" in why(decision, "latency")


def shifted(**more: object) -> StepEvidence:
    ours, theirs = (
        window(version, requests, columns={f"{beside}output.prediction": ColumnCounts(bins=bins)})
        for version, requests, bins, beside in ((2, 500, (450, 50), "beside."), (1, 4500, (2250, 2250), ""))
    )
    return seen(ours, theirs, **more)


def test_other_predictions_are_told_and_abort_where_a_limit_is_declared() -> None:
    told = decide(shifted())
    assert told.action == "advance"
    assert "no limit is declared" in why(told, "shift")
    assert decide(shifted(), replace(PLAN, max_shift=0.25)).action == "abort"
    assert decide(shifted(), replace(PLAN, max_shift=5.0)).action == "advance"


def test_rows_of_one_request_are_not_taken_for_independent() -> None:
    found = shifted()
    wide = replace(found.blocks[0].challenger, rows=5000)
    decision = decide(
        replace(found, blocks=(replace(found.blocks[0], challenger=wide),)), replace(PLAN, max_shift=0.25)
    )
    assert decision.action == "advance"
    assert "not judged" in why(decision, "shift")


def losses(ours: float, theirs: float, units: int = 2000) -> tuple[Quality, Quality]:
    return Quality(units=units, mean=ours, variance=1.0), Quality(units=units, mean=theirs, variance=1.0)


@pytest.mark.parametrize(
    ("quality", "action"),
    [(losses(1.5, 1.0), "abort"), (losses(1.0, 1.5), "advance"), (losses(9.0, 1.0, 50), "advance"), (None, "advance")],
)
def test_quality_that_is_surely_worse_aborts(quality: object, action: str) -> None:
    assert decide(seen(window(2, 100), window(1, 900), quality=quality)).action == action


def told(version: int, unit: np.ndarray, loss: np.ndarray, days: np.ndarray) -> Losses:
    return Losses(
        model="demand", version=version, since=START, until=START, name="brier", most=1.0, predictions=2 * len(loss),
        unit=unit.astype(str), loss=loss, at=np.datetime64("2026-01-02", "us") + days * np.timedelta64(1, "D"),
    )  # fmt: skip


def test_losses_of_one_unit_count_once() -> None:
    unit, days = np.arange(120) // 3, np.zeros(120, dtype=int)
    one = told(2, unit, np.tile([1.0, 0.0, 0.5], 40) + unit / 40, days)
    found, _ = qualities(one, one, [])
    assert (found.units, found.mean, found.coverage) == (40, pytest.approx(0.5 + 39 / 80), 0.5)
    assert found.variance == pytest.approx(np.var(np.arange(40) / 40, ddof=1))


def test_a_step_that_is_harder_for_both_counts_against_neither() -> None:
    """Half of the second day's requests are the challenger's, of the first day's a tenth, of the third's all."""
    random = np.random.default_rng(3)
    found = []
    for version, counts in ((2, (200, 1000, 3000)), (1, (1800, 1000, 0))):
        days = np.repeat(np.arange(3), counts)
        loss = random.exponential(np.array([1.0, 2.0, 4.0])[days])
        found.append(told(version, np.arange(len(days)), loss, days))
    ours, theirs = qualities(*found, [START + timedelta(days=1), START + timedelta(days=2)])
    assert (ours.units, theirs.units) == (1200, 2800)
    assert ours.mean == pytest.approx(theirs.mean, abs=0.2)
    assert decide(seen(window(2, 100), window(1, 900), quality=(ours, theirs))).action == "advance"


@pytest.mark.parametrize(
    ("quality", "seconds", "action", "said"),
    [
        (losses(1.0, 1.5), 60, "advance", "the challenger won"),
        (losses(1.0, 1.0), 60, "hold", "undecided after 60 of 3600 seconds"),
        (losses(1.0, 1.0), 3600, "abort", "undecided at the horizon, so the champion has it"),
        (None, 60, "hold", "outcomes of 0 are known, 100 each needed"),
    ],
)
def test_an_ab_test_lasts_until_it_is_won_or_its_horizon(
    quality: object, seconds: float, action: str, said: str
) -> None:
    decision = decide(seen(window(2, 500), window(1, 500), quality=quality), AB, seconds, 50)
    assert decision.action == action
    assert said in why(decision, "winner")


def test_undecided_the_challenger_has_it_where_that_was_declared() -> None:
    found = seen(window(2, 500), window(1, 500))
    assert decide(found, replace(AB, otherwise="challenger"), 3600, 50).action == "advance"


def test_an_ab_test_may_be_won_by_fewer_errors() -> None:
    found = seen(window(2, 2000, 10), window(1, 2000, 100))
    assert decide(found, replace(AB, metric="errors"), 60, 50).action == "advance"


def test_millions_of_requests_and_any_limit_of_latency_can_be_judged() -> None:
    found = seen(window(2, 10_000_000, 200_000), window(1, 10_000_000, 200_000))
    assert decide(found, replace(AB, metric="errors"), 60, 50).action == "hold"
    assert decide(found, replace(PLAN, max_latency_ratio=1e9)).action == "advance"


def test_a_split_that_was_not_asked_for_ends_an_ab_test() -> None:
    found = seen(window(2, 500), window(1, 500), split=(700, 1000))
    decision = decide(found, AB, 60, 50)
    assert decision.action == "abort"
    assert why(decision, "split").startswith("the challenger had 700 of 1000 requests, where 50 % are meant")
    assert decide(replace(found, split=(510, 1000)), AB, 60, 50).action == "hold"


def keyed(random: np.random.Generator, weight: int, ours: float, theirs: float, requests: int) -> StepEvidence:
    """Requests of keys of very uneven weight, each of which fails at a rate of its own."""
    first = SLOTS - SLOTS * weight // 100
    keys = random.permutation(SLOTS)[random.zipf(1.3, requests) % SLOTS]
    own = random.beta(0.2, 3.0, SLOTS)
    found = []
    for version, slots, factor in ((1, range(first), theirs), (2, range(first, SLOTS), ours)):
        asked = np.bincount(keys, minlength=SLOTS)[list(slots)]
        bad = random.binomial(asked, np.clip(own[list(slots)] * factor, 0, 1))
        counts = SlotCounts(
            slots=tuple(slots), requests=tuple(asked.tolist()), failed=tuple(bad.tolist()), slow=(0,) * len(asked)
        )
        found.append(window(version, int(asked.sum()), int(bad.sum()), by_slot=counts))
    look = next_look(found, (), 2, weight)
    assert look is not None
    return seen(found[1], found[0], keyed=True, looks=(look,), blocks=())


def test_a_heavy_key_that_fails_does_not_end_an_equal_challenger() -> None:
    random = np.random.default_rng(8)
    ended = sum(decide(keyed(random, 10, 1, 1, 5000)).action == "abort" for _ in range(60))
    assert ended <= 2


def test_keys_that_fail_with_the_challenger_abort() -> None:
    decision = decide(keyed(np.random.default_rng(9), 50, 8, 1, 20_000), weight=50)
    assert decision.action == "abort"
    assert "by key" in why(decision, "errors")


def test_a_request_sent_to_a_variant_by_name_is_no_evidence() -> None:
    named = window(2, 60, 60, by_slot=SlotCounts(slots=(0,), requests=(60,), failed=(60,), slow=(0,)))
    assert next_look([named], (), 2, 10) is None
