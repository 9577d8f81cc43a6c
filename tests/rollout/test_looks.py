"""Looks at traffic with keys: what was looked at is counted once, in whatever order summaries arrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from loopwright.errors import StorageError
from loopwright.rollout import guards
from loopwright.rollout.looks import forget_looks, take_looks
from loopwright.rollout.records import Look, Rollout, RolloutPlan, StepEvidence, VariantEvidence
from loopwright.testing.storage import MemoryStorage
from loopwright.traffic.summary import SLOTS, SlotCounts, WindowSummary

START = datetime(2026, 1, 2, tzinfo=UTC)
PLAN = RolloutPlan(
    strategy="Canary", steps=(10,), interval_seconds=10, patience_seconds=60, min_requests=20, max_latency_ratio=2.0
)
ROLLOUT = Rollout(
    id="r2", model="demand", endpoint="demand", version=2, champion=1, plan=PLAN, status="running", step=0,
    step_started=START, revision=2, requested=START,
)  # fmt: skip


def minutes(random: np.random.Generator, count: int) -> list[tuple[WindowSummary, ...]]:
    """Windows of both versions, each of 50 requests of 150 keys; how many fail differs from minute to minute alone."""
    slots = np.sort(random.choice(SLOTS, 150, replace=False))
    ours, found = slots >= 0.9 * SLOTS, []
    for minute in range(count):
        asked = random.multinomial(50, np.full(150, 1 / 150))
        failed = random.binomial(asked, random.beta(0.2, 0.8))
        both = ((1, ~ours), (2, ours))
        found.append(tuple(_window(version, minute, slots[one], asked[one], failed[one]) for version, one in both))
    return found


def _window(version: int, minute: int, slots: np.ndarray, asked: np.ndarray, failed: np.ndarray) -> WindowSummary:
    return WindowSummary(
        endpoint="demand", revision=2, variant="any", version=version, start=START + timedelta(minutes=minute),
        seconds=60.0, requests=int(asked.sum() - failed.sum()), errors={"model": int(failed.sum())},
        by_slot=SlotCounts(
            slots=tuple(slots.tolist()), requests=tuple(asked.tolist()), failed=tuple(failed.tolist()),
            slow=(0,) * len(slots),
        ),
    )  # fmt: skip


def arriving(windows: Sequence[tuple[WindowSummary, ...]]) -> list[tuple[Look, ...]]:
    """The looks that are judged each time that one more minute's summaries have come, in the order given."""
    storage, known = MemoryStorage(), dict[str, Look]()
    found: list[tuple[Look, ...]] = []
    here: list[WindowSummary] = []
    for some in windows:
        here += some
        found.append(take_looks(storage, ROLLOUT, sorted(here, key=lambda one: one.start), known=known))
    return found


@pytest.mark.parametrize("order", ["as it was", "backwards", "anyhow"])
def test_all_that_is_ever_looked_at_spends_the_level_once(order: str) -> None:
    random = np.random.default_rng(4)
    windows = minutes(random, 40)
    places = {"as it was": range(40), "backwards": range(39, -1, -1), "anyhow": random.permutation(40)}[order]
    judged = {look for looks in arriving([windows[place] for place in places]) for look in looks}
    assert len(judged) > 5
    assert sum(1 / ((look.number + 1) * (look.number + 2)) for look in judged) <= 1


def test_an_equal_challenger_is_aborted_no_more_often_than_stated_by_summaries_that_come_backwards() -> None:
    """Looks at whatever was the step's beginning by then would abort 14 of 40."""
    random = np.random.default_rng(5)
    level, ended = 0.3, 0
    for _ in range(40):
        looks = arriving(minutes(random, 40)[::-1])[-1]
        found = StepEvidence(challenger=VariantEvidence(), champion=VariantEvidence(), keyed=True, looks=looks)
        ended += guards.errors(PLAN, found, 2 * level).finding == "fail"
    assert ended <= 40 * level


def test_looks_outlive_the_worker_that_took_them_and_go_with_the_rollout() -> None:
    storage, windows = MemoryStorage(), [one for some in minutes(np.random.default_rng(6), 3) for one in some]
    (first,) = take_looks(storage, ROLLOUT, windows[:2], known={})
    again = take_looks(storage, ROLLOUT, windows[4:], known={})
    assert again == (first,)
    assert [one.number for one in take_looks(storage, ROLLOUT, windows, known={})] == [0, 1]
    assert take_looks(storage, replace(ROLLOUT, revision=3), windows[:2], known={})[0].number == 0
    forget_looks(storage, ROLLOUT)
    assert list(storage.list("looks/")) == []


def test_a_damaged_look_is_named() -> None:
    storage = MemoryStorage()
    storage.put("looks/r2/00000002/0000.json", b"{")
    with pytest.raises(StorageError, match=r"0000\.json is no look"):
        take_looks(storage, ROLLOUT, [], known={})
