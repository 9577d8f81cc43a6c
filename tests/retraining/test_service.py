"""From a cause to a run, once."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.declare import Declaration
from loopwright.errors import SourceError, StateError
from loopwright.policies.retraining import Decay, Drift, Governor, NewData, Schedule
from loopwright.retraining.records import SourceState
from loopwright.retraining.rules import govern
from loopwright.retraining.service import Retraining
from loopwright.runs.store import RUNS

NEW = SourceState(digest="new", rows=150)


def declared(*triggers: object, **policy: object) -> dict[str, Declaration]:
    return {
        "demand": Declaration(
            name="demand", source="x.csv", target="cnt", retrain=triggers or (Drift(),), governor=Governor(**policy)
        )
    }


def test_a_drift_finding_becomes_a_run(retraining, journal, promote, found):
    promote("first")
    finding = found()
    (request,) = retraining.tick(declared(Drift()), lambda _: NEW)
    assert (request.trigger, request.cause, request.status) == ("drift", finding, "accepted")
    run = journal.get(request.run)
    assert run.status == "queued"
    assert "input.temp drifted" in run.cause


def test_a_loss_of_live_quality_becomes_a_run_where_decay_is_declared(retraining, promote, found):
    promote("first")
    found(kind="drift")
    assert retraining.tick(declared(Decay()), lambda _: NEW) == []
    finding = found(kind="performance")
    (request,) = retraining.tick(declared(Decay()), lambda _: NEW)
    assert (request.trigger, request.cause, request.status) == ("decay", finding, "accepted")


def test_the_same_cause_asks_once(retraining, journal, promote, found, finish, clock):
    promote("first")
    found()
    retraining.tick(declared(Drift()), lambda _: NEW)
    finish("failed")
    clock.sleep(3600)
    assert retraining.tick(declared(Drift()), lambda _: NEW) == []
    assert journal.count(model="demand") == 1


def test_a_crash_between_accepting_and_queueing_loses_nothing(retraining, journal, promote, found, monkeypatch):
    promote("first")
    found()

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(journal, "submit", die)
        with pytest.raises(Killed):
            retraining.tick(declared(Drift()), lambda _: NEW)
    assert journal.count() == 0
    retraining.tick(declared(Drift()), lambda _: NEW)
    assert journal.count() == 1


def test_new_rows_ask_for_a_run(retraining, journal, promote):
    promote("first", dataset="old", rows=100)
    (request,) = retraining.tick(declared(NewData()), lambda _: NEW)
    assert request.status == "accepted"
    assert "50 rows" in request.reason
    assert journal.count(model="demand") == 1


def test_a_request_waits_out_the_run_and_the_cooldown_and_is_then_accepted(
    retraining, journal, promote, found, finish, clock
):
    promote("first")
    policy = declared(Drift(), cooldown="1h")
    journal.submit("demand", cause="by hand", actor="me")
    found()
    assert retraining.tick(policy, lambda _: NEW) == []
    (request,) = retraining.requests("demand", statuses=("open",))
    assert "waits until run-" in request.decision.reasons[0].text
    finish("failed")
    clock.sleep(60)
    assert retraining.tick(policy, lambda _: NEW) == []
    clock.sleep(3600)
    (request,) = retraining.tick(policy, lambda _: NEW)
    assert request.status == "accepted"


def test_new_rows_that_the_next_champion_has_learned_from_ask_for_nothing_more(
    retraining, journal, promote, finish, clock
):
    promote("first", dataset="old", rows=100)
    journal.submit("demand", cause="by hand", actor="me")
    retraining.tick(declared(NewData(min_rows=40)), lambda _: NEW)
    finish("succeeded")
    promote("second", dataset="most of it", rows=140)
    clock.sleep(3600)
    (request,) = retraining.tick(declared(NewData(min_rows=40)), lambda _: NEW)
    assert request.status == "refused"
    assert "new rows were counted beside version 1, but the champion is now 2" in request.decision.because()
    (again,) = retraining.tick(declared(NewData(min_rows=10)), lambda _: NEW)
    assert (again.status, again.version) == ("accepted", 2)


def test_a_newer_finding_overtakes_the_one_that_waits(retraining, journal, promote, found, clock):
    promote("first")
    journal.submit("demand", cause="by hand", actor="me")
    found()
    retraining.tick(declared(Drift()), lambda _: NEW)
    clock.sleep(3600)
    newer = found()
    retraining.tick(declared(Drift()), lambda _: NEW)
    statuses = {request.cause: request.status for request in retraining.requests("demand")}
    assert statuses == {"finding-1": "refused", newer: "open"}


def test_drift_asks_for_nothing_unless_the_model_declares_it(retraining, promote, found):
    promote("first")
    found()
    assert retraining.tick(declared(NewData(min_rows=1000)), lambda _: NEW) == []
    assert retraining.requests() == []


def test_nothing_to_learn_from_rows_that_the_last_run_was_refused_on(
    retraining, journal, promote, found, finish, clock
):
    promote("first")
    journal.submit("demand", cause="by hand", actor="me")
    run = finish("refused", dataset="new", rows=150)
    clock.sleep(3600)
    found()
    (request,) = retraining.tick(declared(Drift()), lambda _: NEW)
    assert request.status == "refused"
    assert f"nothing to learn: {run} learned from the same 150 rows" in request.decision.because()


def test_the_source_is_looked_at_only_where_somebody_needs_to_know(retraining, promote, found):
    looked = []

    def peek(declaration):
        looked.append(declaration.name)
        return NEW

    promote("first")
    retraining.tick(declared(Drift()), peek)
    assert looked == []
    found()
    retraining.tick(declared(Drift()), peek)
    assert looked == ["demand"]


def test_a_schedule_starts_one_run_however_many_slots_were_missed(retraining, journal, promote, clock, finish):
    promote("first")
    policy = declared(Schedule("0 3 * * *"))
    assert retraining.tick(policy, lambda _: NEW) == []
    clock.sleep(10 * 86400)
    (request,) = retraining.tick(policy, lambda _: NEW)
    assert request.trigger == "schedule"
    finish("failed")
    assert retraining.tick(policy, lambda _: NEW) == []
    assert journal.count(model="demand") == 1


def test_a_person_gets_an_answer_at_once_and_may_force_it(retraining, journal, promote, clock):
    promote("first", dataset="new")
    refused = retraining.request(declared()["demand"], actor="me", source=NEW)
    assert refused.status == "refused"
    assert "version 1 learned from the same 150 rows" in refused.decision.because()
    clock.sleep(1)
    forced = retraining.request(declared()["demand"], actor="me", source=NEW, force=True)
    assert forced.status == "accepted"
    assert journal.get(forced.run).actor == "me"
    clock.sleep(1)
    assert retraining.request(declared()["demand"], actor="me", source=NEW, force=True).status == "refused"


def test_an_accepted_request_is_not_started_again_when_its_run_is_collected(retraining, journal, promote, found, state):
    promote("first")
    found()
    retraining.tick(declared(Drift()), lambda _: NEW)
    with state.write() as connection:
        connection.execute(RUNS.delete())
    retraining.tick(declared(Drift()), lambda _: NEW)
    assert journal.count() == 0


def test_two_workers_that_decide_at_once_start_one_run(retraining, journal, promote, found, monkeypatch):
    """Both have looked and seen nothing under way; the second finds, as it writes, that the first was there."""
    promote("first")
    found()
    other = Retraining(retraining.state, journal, retraining.registry, retraining.rollouts, retraining.clock)

    def overtaken(request, facts):
        monkeypatch.undo()
        other.request(declared()["demand"], actor="me", source=NEW)
        return govern(request, facts)

    monkeypatch.setattr("loopwright.retraining.service.govern", overtaken)
    assert retraining.tick(declared(Drift()), lambda _: NEW) == []
    assert journal.count(model="demand") == 1
    assert {request.trigger: request.status for request in retraining.requests()} == {
        "manual": "accepted",
        "drift": "open",
    }


def test_one_models_trouble_does_not_keep_the_others_from_their_turn(retraining, journal, promote, found):
    promote("first")
    found()

    def peek(declaration):
        if declaration.name == "broken":
            raise SourceError("x.csv is gone")
        return NEW

    broken = Declaration(name="broken", source="x.csv", target="cnt", retrain=(NewData(),))
    with pytest.raises(SourceError):
        retraining.tick({"broken": broken, **declared(Drift())}, peek)
    assert journal.count(model="demand") == 1


def test_trouble_with_one_models_approvals_keeps_no_other_from_its_turn(retraining, place, promote, found, monkeypatch):
    promote("first")
    found()
    active = place.rollouts.active

    def away(model):
        if model == "broken":
            raise StateError("the state database is away")
        return active(model)

    monkeypatch.setattr(place.rollouts, "active", away)
    broken = Declaration(name="broken", source="x.csv", target="cnt")
    with pytest.raises(StateError):
        retraining.tick({"broken": broken, **declared(Drift())}, lambda _: NEW)
    assert place.journal.count(model="demand") == 1


@given(st.lists(st.sampled_from(["drift", "new rows", "tick", "work", "wait"]), max_size=12))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_no_cause_is_accepted_twice_and_runs_come_one_at_a_time(fresh, actions):
    place = fresh()
    place.promote("first", dataset="rows-100")
    rows = 100
    policy = declared(Drift(), NewData(), cooldown="1h")
    for action in actions:
        if action == "drift":
            place.found()
        elif action == "new rows":
            rows += 10
        elif action == "work" and place.journal.count(statuses=("queued",)):
            place.finish("refused", dataset=f"rows-{rows}", rows=rows)
        elif action == "wait":
            place.clock.sleep(1800)
        place.retraining.tick(policy, lambda _, rows=rows: SourceState(digest=f"rows-{rows}", rows=rows))
        assert place.journal.count(statuses=("queued", "running")) <= 1
    accepted = place.retraining.requests(statuses=("accepted",), limit=1000)
    assert len({request.cause for request in accepted}) == len(accepted)
    assert place.journal.count() == len(accepted)
    runs = place.journal.runs(limit=1000)
    for later, earlier in pairwise(runs):
        assert later.created - earlier.finished >= timedelta(hours=1)
