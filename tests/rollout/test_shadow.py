"""A shadow stands beside the champion until something else is released; nobody takes it for traffic."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from loopwright.core.codec import to_json
from loopwright.errors import ConflictError, NotFoundError
from loopwright.policies.rollout import BlueGreen, Canary
from loopwright.rollout import ledger
from loopwright.rollout.evidence import summaries
from loopwright.traffic.summary import WindowSummary, merge, summary_key


def serves(rollouts) -> list[tuple[str, int, int, bool]]:
    revision = ledger.newest(rollouts.storage, "demand")
    return [(one.name, one.version, one.weight, one.shadow) for one in revision.variants]


@pytest.fixture
def second(rollouts, version):
    """The second version of a model whose first is champion."""
    rollouts.request(version("v1"), BlueGreen(), rollout_id="r1")
    return version("v2")


def test_a_shadow_comes_beside_the_champion_and_ends(rollouts, second) -> None:
    rollouts.shadow(second, share=25, actor="ann")
    assert serves(rollouts) == [("champion", 1, 100, False), ("shadow", 2, 25, True)]
    assert (rollouts.aliases("demand"), rollouts.champion("demand").number) == ({"champion": 1}, 1)
    rollouts.shadow(second, share=50, actor="ann")
    assert serves(rollouts)[1:] == [("shadow", 2, 50, True)]
    rollouts.shadow(second, share=0, actor="ann")
    assert serves(rollouts) == [("champion", 1, 100, False)]
    assert ledger.verify(rollouts.storage, "demand") == []


def test_a_rollout_ends_the_shadow_and_a_rollback_passes_it_over(rollouts, second, version) -> None:
    rollouts.shadow(second, actor="ann")
    rollouts.request(second, BlueGreen(), rollout_id="r2")
    rollouts.promote("demand", actor="ann")
    assert serves(rollouts) == [("champion", 2, 100, False)]
    rollouts.shadow(version("v3"), actor="ann")
    rollouts.rollback("demand", actor="ann")
    assert serves(rollouts) == [("champion", 1, 100, False)]


def test_a_shadow_waits_for_a_champion_and_for_the_end_of_a_rollout(rollouts, version) -> None:
    first, second = version("v1"), version("v2")
    with pytest.raises(NotFoundError):
        rollouts.shadow(first, actor="ann")
    rollouts.request(first, BlueGreen(), rollout_id="r1")
    with pytest.raises(ConflictError, match="101 %"):
        rollouts.shadow(second, share=101, actor="ann")
    rollouts.request(second, Canary(steps=(10, 100)), rollout_id="r2")
    with pytest.raises(ConflictError, match="under way"):
        rollouts.shadow(second, actor="ann")


def test_windows_of_shadows_are_read_apart(storage, clock) -> None:
    served = WindowSummary(
        endpoint="demand", revision=1, variant="champion", version=1, start=clock.now(), seconds=1, requests=3
    )
    copied = replace(served, variant="shadow", version=2, shadow=True)
    for number, summary in enumerate((served, copied)):
        storage.put(summary_key(summary, "server", number), to_json(summary))
    until = clock.now() + timedelta(minutes=1)
    assert summaries(storage, "demand", clock.now(), until) == [served]
    assert summaries(storage, "demand", clock.now(), until, shadow=True) == [copied]
    assert merge([copied, copied]) == replace(copied, requests=6, latency=(), rows=0)
