"""Rollouts: from request to champion, by traffic that is seen, by hand, and against others."""

from __future__ import annotations

import pytest

from loopwright.declare import BlueGreen, Canary
from loopwright.errors import ConflictError, NotFoundError
from loopwright.rollout import ledger

POLICY = Canary(steps=(10, 50, 100), interval="10s", min_requests=20, patience="1h")


def live(rollouts, version):
    """A first version as champion, and a second one asked for."""
    rollouts.request(version("v1"), POLICY, rollout_id="r1")
    return rollouts.request(version("v2"), POLICY, rollout_id="r2")


def weights(rollouts) -> dict[int, int]:
    revision = ledger.newest(rollouts.storage, "demand")
    return {variant.version: variant.weight for variant in revision.variants}


def test_the_first_version_goes_live_at_once(rollouts, version) -> None:
    rollout = rollouts.request(version("v1"), POLICY, rollout_id="r1")
    assert rollout.status == "promoted"
    assert weights(rollouts) == {1: 100}
    assert rollouts.champion("demand").number == 1


def test_asking_twice_makes_one_rollout_and_one_revision(rollouts, version) -> None:
    first = version("v1")
    rollouts.request(first, POLICY, rollout_id="r1")
    rollouts.request(first, POLICY, rollout_id="r1")
    assert len(ledger.chain(rollouts.storage, "demand")) == 1


def test_a_canary_climbs_its_steps_and_becomes_champion(rollouts, version, traffic, clock) -> None:
    live(rollouts, version)
    seen = [weights(rollouts)]
    for _ in range(3):
        traffic(2, 30)
        clock.sleep(10)
        rollouts.tick()
        seen.append(weights(rollouts))
    assert seen == [{1: 90, 2: 10}, {1: 50, 2: 50}, {1: 0, 2: 100}, {2: 100}]
    assert rollouts.get("r2").status == "promoted"
    assert rollouts.aliases("demand") == {"champion": 2}


def test_a_step_holds_until_its_interval_and_its_requests(rollouts, version, traffic, clock) -> None:
    live(rollouts, version)
    traffic(2, 30)
    assert rollouts.tick() == []
    assert "of 10 seconds" in rollouts.get("r2").reasons[-1].text
    clock.sleep(10)
    rollouts.tick()
    traffic(2, 5)
    clock.sleep(10)
    assert rollouts.tick() == []
    assert "5 of 20 requests" in rollouts.get("r2").reasons[-1].text


def test_failures_abort_the_canary_before_its_interval_is_over(rollouts, version, traffic) -> None:
    live(rollouts, version)
    traffic(1, 200, variant="champion")
    traffic(2, 20, errors=10)
    rollouts.tick()
    assert rollouts.get("r2").status == "aborted"
    assert weights(rollouts) == {1: 100}
    assert "challenger failed 10 of 20" in ledger.newest(rollouts.storage, "demand").reason


def test_a_slow_challenger_is_aborted(rollouts, version, traffic) -> None:
    live(rollouts, version)
    traffic(1, 200, variant="champion")
    traffic(2, 50, ms=40)
    rollouts.tick()
    assert rollouts.get("r2").status == "aborted"


def test_an_endpoint_that_nobody_asks_moves_on_by_time(rollouts, version, clock) -> None:
    live(rollouts, version)
    for _ in range(3):
        clock.sleep(11)
        rollouts.tick()
    assert rollouts.get("r2").status == "promoted"


def test_blue_green_takes_everything_at_once(rollouts, version) -> None:
    rollouts.request(version("v1"), POLICY, rollout_id="r1")
    rollouts.request(version("v2"), BlueGreen(), rollout_id="r2")
    assert weights(rollouts) == {1: 0, 2: 100}


def test_a_rollout_may_wait_for_a_person(rollouts, version) -> None:
    rollouts.request(version("v1"), POLICY, rollout_id="r1")
    rollout = rollouts.request(version("v2", needs_approval=True), POLICY, rollout_id="r2")
    assert rollout.status == "awaiting_approval"
    assert weights(rollouts) == {1: 100}
    assert rollouts.approve("r2", actor="ann").status == "running"
    assert weights(rollouts) == {1: 90, 2: 10}
    with pytest.raises(ConflictError, match="running"):
        rollouts.approve("r2", actor="ann")


def test_a_person_may_promote_abort_and_roll_back_at_any_moment(rollouts, version) -> None:
    live(rollouts, version)
    assert rollouts.promote("demand", actor="ann").status == "promoted"
    assert weights(rollouts) == {2: 100}
    assert rollouts.rollback("demand", actor="ann").variants[0].version == 1
    assert weights(rollouts) == {1: 100}
    rollouts.request(version("v3"), POLICY, rollout_id="r3")
    assert rollouts.abort("demand", actor="ann").status == "aborted"
    assert weights(rollouts) == {1: 100}
    with pytest.raises(NotFoundError):
        rollouts.abort("demand", actor="ann")


def test_a_newer_version_supersedes_the_one_on_its_way(rollouts, version) -> None:
    live(rollouts, version)
    rollouts.request(version("v3"), POLICY, rollout_id="r3")
    assert rollouts.get("r2").status == "aborted"
    assert weights(rollouts) == {1: 90, 3: 10}


def test_of_two_promoters_one_wins_and_the_other_is_told(rollouts, version) -> None:
    live(rollouts, version)
    seen = ledger.newest(rollouts.storage, "demand")
    rollouts.promote("demand", actor="ann")
    with pytest.raises(ConflictError, match="changed by ann"):
        rollouts._write(seen, seen.variants[:1], "bob", "mine", "bob's cause")


def test_a_change_by_hand_ends_the_rollout(rollouts, version, clock) -> None:
    live(rollouts, version)
    current = ledger.newest(rollouts.storage, "demand")
    rollouts._write(current, current.variants[:1], "bob", "fixed by hand", "bob's cause")
    rollouts.tick()
    assert rollouts.get("r2").status == "aborted"
    assert "bob changed the endpoint" in rollouts.get("r2").reasons[0].text


def test_a_crash_between_revision_and_record_is_taken_up(rollouts, version, monkeypatch, clock) -> None:
    rollouts.request(version("v1"), POLICY, rollout_id="r1")
    change = rollouts._change
    monkeypatch.setattr(rollouts, "_change", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        rollouts.request(version("v2"), POLICY, rollout_id="r2")
    monkeypatch.setattr(rollouts, "_change", change)
    rollouts.tick()
    assert rollouts.get("r2").step == 0
    assert len(ledger.chain(rollouts.storage, "demand")) == 2


def test_the_ledger_shows_a_change_made_behind_its_back(rollouts, version) -> None:
    live(rollouts, version)
    assert ledger.verify(rollouts.storage, "demand") == []
    key = "endpoints/demand/00000001.json"
    rollouts.storage.put(key, rollouts.storage.get(key).replace(b"goes live", b"went live"))
    assert ledger.verify(rollouts.storage, "demand") == [
        "revision 2 does not name the one before it: it or its predecessor was changed"
    ]
