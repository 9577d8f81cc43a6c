"""Rollouts: from request to champion, by traffic that is seen, by hand, and against others."""

from __future__ import annotations

import numpy as np
import pytest

from loopwright.errors import ConflictError, NotFoundError, StorageError
from loopwright.outcomes.records import Losses
from loopwright.policies.rollout import ABTest, BlueGreen, Canary, Rolling, Shadow
from loopwright.rollout import ledger
from loopwright.rollout.service import Rollouts
from loopwright.traffic.records import CapturePolicy
from loopwright.traffic.summary import SlotCounts

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
    rollout = rollouts.get("r2")
    assert rollout.status == "promoted"
    assert [(one.rule, one.finding) for one in rollout.reasons[-2:]] == [("enough", "pass"), ("promote", "pass")]
    assert rollout.reasons[-1].text == rollout.reasons[-2].text == "challenger answered 30 requests in 11 seconds"
    assert rollouts.aliases("demand") == {"champion": 2}


def test_what_a_rollout_was_promoted_for_is_what_was_seen_last(rollouts, version, traffic, clock) -> None:
    live(rollouts, version)
    for _ in range(2):
        clock.sleep(14)
        rollouts.tick()
    traffic(2, 5)
    rollouts.tick()
    assert [one.finding for one in rollouts.get("r2").reasons][-1] == "warn"
    traffic(2, 30, seconds=14)
    rollouts.tick()
    rollout = rollouts.get("r2")
    assert rollout.status == "promoted"
    assert {one.finding for one in rollout.reasons} == {"pass"}


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


def test_a_heavy_customer_that_fails_ends_no_challenger_before_a_steps_first_windows_come(
    rollouts, version, traffic, clock
) -> None:
    live(rollouts, version)
    theirs, ours = tuple(range(0, 900, 2)), tuple(range(900, 1000, 2))
    asked, failed = (tuple(many if slot == 950 else few for slot in ours) for many, few in ((60, 1), (30, 0)))
    ones, none = (1,) * 450, (0,) * 450
    traffic(1, 450, variant="champion", by_slot=SlotCounts(slots=theirs, requests=ones, failed=none, slow=ones))
    traffic(2, 109, errors=30, by_slot=SlotCounts(slots=ours, requests=asked, failed=failed, slow=none[:50]))
    clock.sleep(10)
    assert [moved.step for moved in rollouts.tick()] == [1]
    rollouts.tick()
    assert rollouts.get("r2").status == "running"


def test_a_slow_challenger_is_aborted(rollouts, version, traffic) -> None:
    live(rollouts, version)
    traffic(1, 200, variant="champion")
    traffic(2, 50, ms=40)
    rollouts.tick()
    assert rollouts.get("r2").status == "aborted"


def test_an_endpoint_that_nobody_asks_moves_on_by_time(rollouts, version, clock) -> None:
    live(rollouts, version)
    for _ in range(3):
        clock.sleep(14)
        rollouts.tick()
    assert rollouts.get("r2").status == "promoted"


def test_blue_green_takes_everything_at_once(rollouts, version) -> None:
    rollouts.request(version("v1"), POLICY, rollout_id="r1")
    rollouts.request(version("v2"), BlueGreen(), rollout_id="r2")
    assert weights(rollouts) == {1: 0, 2: 100}


@pytest.mark.parametrize(("ms", "status", "champion"), [(40.0, "aborted", 1), (3.0, "running", 2)])
def test_blue_green_goes_back_by_itself_where_the_new_version_is_slow(
    rollouts, version, traffic, ms, status, champion
) -> None:
    rollouts.request(version("v1"), POLICY, rollout_id="r1")
    traffic(1, 2000, variant="champion")
    rollouts.request(version("v2"), BlueGreen(interval="10s", min_requests=20), rollout_id="r2")
    traffic(2, 100, ms=ms)
    rollouts.tick()
    assert rollouts.get("r2").status == status
    assert weights(rollouts)[champion] == 100


def test_a_canarys_last_step_is_held_to_the_hour_before_where_that_says_more(rollouts, version, traffic, clock) -> None:
    rollouts.request(version("v1"), POLICY, rollout_id="r1")
    traffic(1, 2000, variant="champion")
    rollouts.request(version("v2"), Canary(steps=(50, 100), interval="10s", min_requests=20), rollout_id="r2")
    traffic(1, 60, variant="champion")
    traffic(2, 30)
    clock.sleep(10)
    assert [one.step for one in rollouts.tick()] == [1]
    traffic(2, 100, ms=40)
    rollouts.tick()
    assert rollouts.get("r2").status == "aborted"


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


def test_requests_in_a_window_that_began_before_the_step_count(rollouts, version, traffic, clock) -> None:
    rollouts.request(version("v1"), POLICY, rollout_id="r1")
    clock.sleep(-30)  # the window was half over when the challenger came
    rollouts.request(version("v2"), POLICY, rollout_id="r2")
    clock.sleep(-30)
    traffic(2, 30, seconds=60)
    clock.sleep(10)
    rollouts.tick()
    assert rollouts.get("r2").step == 1


def test_what_an_earlier_step_saw_is_no_evidence_for_this_one(rollouts, version, traffic, clock) -> None:
    live(rollouts, version)
    traffic(2, 30)
    clock.sleep(10)
    rollouts.tick()
    traffic(2, 30, revision=2)
    clock.sleep(20)
    assert rollouts.tick() == []
    assert "answered 0 of 20" in rollouts.get("r2").reasons[-1].text


def test_nobody_is_said_to_ask_before_the_servers_could_have_told(state, storage, registry, version, clock) -> None:
    rollouts = Rollouts(state, storage, registry, clock, window_seconds=60)
    live(rollouts, version)
    clock.sleep(11)
    assert rollouts.tick() == []
    assert "may still be on their way" in rollouts.get("r2").reasons[-1].text
    clock.sleep(70)
    assert [one.step for one in rollouts.tick()] == [1]


def test_a_challenger_that_answers_nothing_is_aborted(rollouts, version, traffic) -> None:
    live(rollouts, version)
    traffic(1, 200, variant="champion")
    traffic(2, 20, errors=20)
    rollouts.tick()
    assert rollouts.get("r2").status == "aborted"
    assert "challenger failed 20 of 20" in ledger.newest(rollouts.storage, "demand").reason


def test_a_challenger_that_no_server_takes_up_does_not_win_by_patience(rollouts, version, traffic, clock) -> None:
    live(rollouts, version)
    traffic(1, 200, variant="champion", revision=1)
    clock.sleep(3600)
    rollouts.tick()
    assert rollouts.get("r2").status == "aborted"
    assert "none of 200 requests reached the challenger" in ledger.newest(rollouts.storage, "demand").reason


def test_summaries_are_read_once(rollouts, version, traffic, monkeypatch) -> None:
    live(rollouts, version)
    traffic(2, 5)
    rollouts.tick()
    get, read = rollouts.storage.get, []
    monkeypatch.setattr(rollouts.storage, "get", lambda key: (read.append(key), get(key))[1])
    traffic(2, 5)
    rollouts.tick()
    assert len([key for key in read if key.startswith("summaries/")]) == 1


def test_a_person_who_steps_in_while_the_loop_decides_wins(rollouts, version, traffic, clock, monkeypatch) -> None:
    rollouts.request(version("v1"), POLICY, rollout_id="r1")
    rollouts.request(version("v2"), BlueGreen(interval="10s", min_requests=20), rollout_id="r2")
    traffic(2, 30)
    clock.sleep(10)
    decide = rollouts._decision

    def meanwhile(rollout):
        decision = decide(rollout)
        rollouts.abort("demand", actor="ann")
        return decision

    monkeypatch.setattr(rollouts, "_decision", meanwhile)
    with pytest.raises(ConflictError, match="changed by ann"):
        rollouts.tick()
    assert weights(rollouts) == {1: 100}
    assert rollouts.get("r2").status == "aborted"


def test_what_was_aborted_meanwhile_is_not_approved(rollouts, version, monkeypatch) -> None:
    rollouts.request(version("v1"), POLICY, rollout_id="r1")
    rollouts.request(version("v2", needs_approval=True), POLICY, rollout_id="r2")
    seen = rollouts.get("r2")
    rollouts.abort("demand", actor="ann")
    get, looks = rollouts.get, [seen]
    monkeypatch.setattr(rollouts, "get", lambda name: looks.pop() if looks else get(name))
    with pytest.raises(ConflictError, match="aborted"):
        rollouts.approve("r2", actor="bob")
    assert weights(rollouts) == {1: 100}


def test_columns_are_redacted_from_the_first_request_on_whoever_lets_it_begin(rollouts, version) -> None:
    rollouts.request(version("v1", needs_approval=True), POLICY, rollout_id="r1", redact=("email",))
    rollouts.approve("r1", actor="ann")
    assert ledger.newest(rollouts.storage, "demand").capture.redact == ("email",)
    rollouts.request(version("v2"), POLICY, rollout_id="r2", redact=("email", "name"))
    assert ledger.newest(rollouts.storage, "demand").capture.redact == ("email", "name")


def test_a_crash_before_the_older_rollout_was_superseded_is_made_good(rollouts, version, monkeypatch) -> None:
    rollouts.request(version("v1"), POLICY, rollout_id="r1")
    rollouts.request(version("v2", needs_approval=True), POLICY, rollout_id="r2")
    third = version("v3")
    with monkeypatch.context() as crash:
        crash.setattr(rollouts, "_supersede", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rollouts.request(third, POLICY, rollout_id="r3")
    rollouts.request(third, POLICY, rollout_id="r3")
    assert rollouts.get("r2").status == "aborted"
    assert weights(rollouts) == {1: 90, 3: 10}


def test_one_rollouts_trouble_does_not_keep_the_others(rollouts, version, clock) -> None:
    live(rollouts, version)
    rollouts.request(version("c1", model="churn"), POLICY, rollout_id="c1")
    rollouts.request(version("c2", model="churn"), POLICY, rollout_id="c2")
    rollouts.storage.put("endpoints/churn/00000002.json", b"{")
    clock.sleep(14)
    with pytest.raises(StorageError, match="churn"):
        rollouts.tick()
    assert rollouts.get("r2").step == 1


def test_each_rollback_goes_back_one_further(rollouts, version) -> None:
    for name in ("v1", "v2", "v3"):
        rollouts.request(version(name), POLICY, rollout_id=name)
        if name != "v1":
            rollouts.promote("demand", actor="ann")
    rollouts.rollback("demand", actor="ann")
    assert weights(rollouts) == {2: 100}
    rollouts.rollback("demand", actor="ann")
    assert weights(rollouts) == {1: 100}
    with pytest.raises(NotFoundError, match="no other champion"):
        rollouts.rollback("demand", actor="ann")


def test_a_rollback_during_a_rollout_goes_back_to_the_champion_alone(rollouts, version) -> None:
    live(rollouts, version)
    rollouts.rollback("demand", actor="ann")
    assert weights(rollouts) == {1: 100}
    assert rollouts.get("r2").status == "aborted"


def test_a_rolling_takeover_rises_evenly(rollouts, version, clock) -> None:
    rollouts.request(version("v1"), POLICY, rollout_id="r1")
    rollouts.request(version("v2"), Rolling(parts=4, interval="10s"), rollout_id="r2")
    seen = [weights(rollouts)[2]]
    for _ in range(4):
        clock.sleep(14)
        rollouts.tick()
        seen.append(weights(rollouts)[2])
    assert seen == [25, 50, 75, 100, 100]
    assert rollouts.get("r2").status == "promoted"


def shadowed(rollouts, version, then: str) -> None:
    rollouts.request(version("v1"), POLICY, rollout_id="r1")
    policy = Shadow(share=20, interval="10s", min_requests=20, then=then)
    rollouts.request(version("v2"), policy, rollout_id="r2")


def test_a_shadow_answers_nobody_and_then_becomes_champion(rollouts, version, traffic, clock) -> None:
    shadowed(rollouts, version, "promote")
    revision = ledger.newest(rollouts.storage, "demand")
    assert [(one.version, one.weight) for one in revision.answering] == [(1, 100)]
    assert [(one.version, one.weight) for one in revision.shadows] == [(2, 20)]
    traffic(1, 100, variant="champion")
    traffic(2, 30, variant="shadow", shadow=True)
    clock.sleep(10)
    rollouts.tick()
    assert rollouts.get("r2").status == "promoted"
    assert weights(rollouts) == {2: 100}


def test_after_a_shadow_a_person_may_be_asked(rollouts, version, traffic, clock) -> None:
    shadowed(rollouts, version, "approval")
    traffic(1, 100, variant="champion")
    traffic(2, 30, variant="shadow", shadow=True)
    clock.sleep(10)
    rollouts.tick()
    assert rollouts.get("r2").status == "awaiting_approval"
    assert rollouts.approve("r2", actor="ann").status == "promoted"
    assert weights(rollouts) == {2: 100}


def test_a_shadow_that_fails_ends_without_anybody_having_noticed(rollouts, version, traffic) -> None:
    shadowed(rollouts, version, "promote")
    traffic(1, 100, variant="champion")
    traffic(2, 40, errors=30, variant="shadow", shadow=True)
    rollouts.tick()
    assert rollouts.get("r2").status == "aborted"
    assert ledger.newest(rollouts.storage, "demand").shadows == ()


def outcomes(loss: dict[int, float]):
    """What came true: each version's predictions of 500 requests, with this mean loss."""

    def losses(rollout, number, since):
        values = loss[number] + np.random.default_rng(number).normal(0, 0.1, 500)
        units = np.arange(500).astype(str)
        return Losses(
            model="demand", version=number, since=since, until=since, name="brier", most=1.0, predictions=500,
            unit=units, loss=values, at=np.full(500, np.datetime64("2026-01-01")),
        )  # fmt: skip

    return losses


@pytest.mark.parametrize(("loss", "status"), [({1: 0.5, 2: 0.2}, "promoted"), ({1: 0.2, 2: 0.5}, "aborted")])
def test_an_ab_test_is_decided_by_what_came_true(rollouts, version, traffic, clock, loss, status) -> None:
    rollouts.losses = outcomes(loss)
    rollouts.request(version("v1"), POLICY, rollout_id="r1")
    rollouts.request(version("v2"), ABTest(interval="1m", horizon="1d"), rollout_id="r2")
    traffic(1, 60, variant="champion")
    traffic(2, 60)
    clock.sleep(100)
    rollouts.tick()
    assert rollouts.get("r2").status == status


def test_an_undecided_ab_test_leaves_the_champion_at_its_horizon(rollouts, version, traffic, clock) -> None:
    rollouts.request(version("v1"), POLICY, rollout_id="r1")
    rollouts.request(version("v2"), ABTest(interval="1m", horizon="1h"), rollout_id="r2")
    traffic(1, 60, variant="champion")
    traffic(2, 60)
    assert rollouts.tick() == []
    clock.sleep(3600)
    rollouts.tick()
    assert weights(rollouts) == {1: 100}
    assert "undecided at the horizon" in ledger.newest(rollouts.storage, "demand").reason


@pytest.mark.parametrize(("named", "status"), [(600, "running"), (0, "aborted")])
def test_requests_that_name_their_variant_are_no_part_of_the_split(
    rollouts, version, traffic, clock, named, status
) -> None:
    rollouts.request(version("v1"), ABTest(50), rollout_id="r1")
    rollouts.request(version("v2"), ABTest(50, horizon="30s", interval="10s"), rollout_id="r2")
    traffic(1, 500, variant="champion")
    traffic(2, 1100, named=named)
    clock.sleep(10)
    rollouts.tick()
    assert rollouts.get("r2").status == status


def test_nobody_who_names_the_champion_shows_that_the_challenger_is_not_served(
    rollouts, version, traffic, clock
) -> None:
    rollouts.request(version("v1"), POLICY, rollout_id="r1")
    rollouts.request(version("v2"), Canary(interval="10s", min_requests=20, patience="20s"), rollout_id="r2")
    traffic(1, 500, variant="champion", named=500)
    clock.sleep(30)
    rollouts.tick()
    assert rollouts.get("r2").status == "running"


def test_quality_that_is_surely_worse_aborts_a_canary(rollouts, version, traffic) -> None:
    rollouts.losses = outcomes({1: 0.2, 2: 0.5})
    live(rollouts, version)
    traffic(2, 30)
    rollouts.tick()
    assert "challenger's mean loss is" in ledger.newest(rollouts.storage, "demand").reason


def test_what_makes_requests_sticky_and_what_is_kept_of_them_reach_the_servers(rollouts, version, traffic) -> None:
    given = {"sticky_by": "customer", "capture_share": 0.25, "redact": ("email",)}
    rollouts.request(version("v1"), POLICY, rollout_id="r1", **given)
    first = ledger.newest(rollouts.storage, "demand")
    assert first.capture == CapturePolicy(share=0.25, redact=("email",))
    assert (first.sticky_by, first.variants[0].slow_ms) == ("customer", None)
    traffic(1, 100, variant="champion", ms=9.0)
    rollouts.request(version("v2"), POLICY, rollout_id="r2", **given)
    second = ledger.newest(rollouts.storage, "demand")
    assert second.sticky_by == "customer"
    assert [one.slow_ms for one in second.variants] == pytest.approx([9, 2 * 9], rel=0.2)
