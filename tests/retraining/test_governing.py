"""The governor over time: what holds whatever happens, and in which order."""

from __future__ import annotations

import threading
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.declare import Declaration
from loopwright.errors import ConflictError
from loopwright.policies.retraining import Drift, Governor, NewData, Schedule
from loopwright.retraining.records import Backtest, BacktestReport, LabelFacts, SourceState
from loopwright.retraining.rules import PATIENCE, WEEK
from loopwright.retraining.service import Retraining
from loopwright.runs.service import Journal
from loopwright.state.engine import State

NEW = SourceState(digest="new", rows=150)
CALM = LabelFacts(recent=500, earlier=500)
POISONED = LabelFacts(recent=500, earlier=500, only=("0", 0.5))
USELESS = BacktestReport(
    version=1, metric="rmse", learned=900, seen=100, tested=300, difference=-1.0, low=-2.0, high=-0.5, baseline=9.0
)
HELPS = BacktestReport(
    version=1, metric="rmse", learned=900, seen=100, tested=300, difference=1.0, low=0.5, high=1.5, baseline=9.0
)


class Rows:
    """Stands in for `Evidence`: says what it is told to, and counts how often a backtest was begun."""

    def __init__(self, labels: LabelFacts = CALM, report: BacktestReport | None = HELPS) -> None:
        self.facts, self.report = labels, report
        self.begun = 0

    def labels(self, declaration, champion, source):
        return self.facts

    def backtest(self, request, champion, source):
        if request.backtest is None or request.backtest.version != champion.number:
            self.begun += 1
            began = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
            return Backtest(version=champion.number, job=f"job-{self.begun}", began=began, report=self.report)
        had = request.backtest
        return had if had.report else Backtest(version=had.version, job=had.job, began=had.began, report=self.report)


def declared(*triggers: object, **policy: object) -> dict[str, Declaration]:
    governor = Governor(**({"cooldown": "0s"} | policy))
    return {
        "demand": Declaration(
            name="demand", source="x.csv", target="cnt", retrain=triggers or (Drift(),), governor=governor
        )
    }


def peek(_: Declaration) -> SourceState:
    return NEW


def test_a_request_waits_for_its_backtest_across_ticks_and_workers(place, found):
    place.promote("first")
    found()
    rows = Rows(report=None)
    for _ in range(3):
        place.retraining.tick(declared(), peek, rows)
        (request,) = place.retraining.requests()
        assert (request.status, request.why()) == ("open", "waits for the backtest: would retraining help?")
    assert rows.begun == 1
    another = Retraining(place.state, place.journal, place.registry, place.rollouts, place.clock)
    rows.report = HELPS
    (request,) = another.tick(declared(), peek, rows)
    assert (request.status, rows.begun) == ("accepted", 1)
    assert request.backtest.report == HELPS
    assert "worth it" in request.decision.because()


def test_a_backtest_that_shows_no_use_refuses_and_the_next_cause_asks_anew(place, found):
    place.promote("first")
    found()
    rows = Rows(report=USELESS)
    (request,) = place.retraining.tick(declared(), peek, rows)
    assert request.status == "refused"
    assert "surely not help enough" in request.why()
    place.retraining.tick(declared(), peek, rows)
    assert rows.begun == 1
    found()
    rows.report = HELPS
    (request,) = place.retraining.tick(declared(), peek, rows)
    assert (request.status, rows.begun) == ("accepted", 2)


def test_a_stream_of_causes_does_not_begin_its_backtest_again_and_again(place, found):
    place.promote("first")
    rows = Rows(report=None)
    for _ in range(4):
        found()
        place.retraining.tick(declared(), peek, rows)
    assert rows.begun == 1
    rows.report = HELPS
    (request,) = place.retraining.tick(declared(), peek, rows)
    assert request.status == "accepted"


def test_a_crash_while_a_backtest_runs_begins_it_under_the_same_name(place, found, monkeypatch):
    place.promote("first")
    found()
    rows = Rows(report=None)

    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(place.retraining, "_write_decision", die)
        with pytest.raises(Killed):
            place.retraining.tick(declared(), peek, rows)
    rows.report = HELPS
    (request,) = place.retraining.tick(declared(), peek, rows)
    assert request.status == "accepted"
    assert place.journal.count() == 1


def test_rows_are_not_looked_at_while_something_else_stands_in_the_way(place, found):
    place.promote("first")
    place.journal.submit("demand", cause="by hand", actor="me")
    found()
    rows = Rows()
    place.retraining.tick(declared(), peek, rows)
    assert rows.begun == 0


def test_suspect_labels_wait_for_a_person_who_lets_them_pass(place, state):
    place.promote("first")
    policy = declared(NewData())
    place.retraining.tick(policy, peek, Rows(POISONED))
    (request,) = place.retraining.requests()
    assert request.waits_for_approval
    assert "all 500 new rows have the label 0" in request.why()
    with pytest.raises(ConflictError, match="waits for nobody"):
        place.retraining.approve(place.retraining.ask("demand", actor="me").id, actor="ann")
    place.retraining.approve(request.id, actor="ann")
    place.clock.sleep(1)
    place.retraining.tick(policy, peek, Rows(POISONED))
    approved = place.retraining.get(request.id)
    assert (approved.status, approved.approved_by) == ("accepted", "ann")
    with pytest.raises(ConflictError, match="is accepted"):
        place.retraining.approve(request.id, actor="ann")


def test_whom_a_newer_cause_has_overtaken_is_approved_in_its_place_and_is_not_overtaken_after(place, found):
    place.promote("first")
    policy = declared(approval="always", backtest="never", cooldown="1h")
    found()
    place.retraining.tick(policy, peek, Rows())
    (first,) = place.retraining.requests()
    place.clock.sleep(1)
    found()
    place.retraining.tick(policy, peek, Rows())
    approved = place.retraining.approve(first.id, actor="ann")
    assert approved.id != first.id
    place.clock.sleep(1)
    found()
    place.retraining.tick(policy, peek, Rows())
    assert place.retraining.get(approved.id).status == "accepted"
    assert [one.status for one in place.retraining.requests()] == ["open", "accepted", "refused"]


def test_what_nobody_approves_is_refused_in_the_end(place, found):
    place.promote("first")
    found()
    policy = declared(approval="always")
    place.retraining.tick(policy, peek, Rows())
    place.clock.sleep(PATIENCE.total_seconds() + 1)
    (request,) = place.retraining.tick(policy, peek, Rows())
    assert request.status == "refused"
    assert "nobody approved it within 30 days" in request.why()


def test_failures_in_a_row_open_the_breaker_until_a_person_resets_it(place, found, finish):
    place.promote("first")
    policy = declared(Drift(), cooldown="1m", breaker=2)
    for number in range(2):
        found()
        place.clock.sleep(61)
        place.retraining.tick(policy, lambda _, number=number: SourceState(digest=f"d{number}", rows=150))
        finish("failed")
    found()
    place.clock.sleep(61)
    assert place.retraining.tick(policy, peek) == []
    (request, *_) = place.retraining.requests()
    assert "2 runs in a row failed or were refused" in request.why()
    place.retraining.reset_breaker("demand", actor="ann")
    place.retraining.reset_breaker("demand", actor="ann")
    (request,) = place.retraining.tick(policy, peek)
    assert request.status == "accepted"


def test_a_success_closes_the_breaker(place, found, finish):
    place.promote("first")
    policy = declared(Drift(), cooldown="0s", breaker=2)
    statuses = ["failed", "succeeded", "failed"]
    for number, status in enumerate(statuses):
        found()
        place.clock.sleep(1)
        place.retraining.tick(policy, lambda _, number=number: SourceState(digest=f"d{number}", rows=150))
        finish(status, dataset=f"d{number}")
    found()
    place.clock.sleep(1)
    (request,) = place.retraining.tick(policy, peek)
    assert request.status == "accepted"
    assert "breaker" not in [reason.rule for reason in request.decision.reasons]


def test_a_request_waits_out_a_freeze(place, found):
    place.promote("first")
    found()
    policy = declared(freeze=("2026-01-01/2026-01-03",))
    assert place.retraining.tick(policy, peek) == []
    (request,) = place.retraining.requests()
    assert request.why() == "nothing is retrained in a freeze: this one is over at 2026-01-04 00:00 UTC"
    place.clock.sleep(3 * 86400)
    (request,) = place.retraining.tick(policy, peek)
    assert request.status == "accepted"


def test_requests_of_one_moment_from_many_workers_make_one_run(place, found, state_url):
    """Each worker has its own connections, and all begin at once."""
    place.promote("first")
    found()
    workers = []
    for _ in range(4):
        state = State(state_url)
        workers.append(Retraining(state, Journal(state, place.clock), place.registry, place.rollouts, place.clock))
    gate = threading.Barrier(len(workers))

    def tend(worker: Retraining) -> None:
        gate.wait()
        worker.tick(declared(Drift(), NewData()), peek)

    threads = [threading.Thread(target=tend, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for worker in workers:
        worker.state.close()
    assert place.journal.count() == 1
    accepted = place.retraining.requests(statuses=("accepted",))
    assert [one.run for one in accepted] == [place.journal.runs()[0].id]


STEPS = st.one_of(
    st.just("drift"),
    st.just("new rows"),
    st.just("by hand"),
    st.just("approve"),
    st.just("reset"),
    st.sampled_from(["succeeded", "refused", "failed"]),
    st.integers(-3600, 5 * 86400),
)


@given(steps=st.lists(STEPS, max_size=20), approval=st.sampled_from(["always", "suspect"]))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_the_budget_holds_causes_are_used_once_and_waiting_ends(fresh, steps, approval):
    place = fresh()
    place.promote("first", dataset="rows-100")
    rows, evidence = 100, Rows(POISONED)
    policy = declared(
        Drift(), NewData(), Schedule("0 3 * * *"), cooldown="10m", per_week=2, approval=approval,
        freeze=("sat 00:00-sun 24:00",),
    )  # fmt: skip

    def tick() -> None:
        place.retraining.tick(policy, lambda _: SourceState(digest=f"rows-{rows}", rows=rows), evidence)

    for step in steps:
        if step == "drift":
            place.found()
        elif step == "new rows":
            rows += 10
        elif step == "by hand":
            place.retraining.ask("demand", actor="me")
        elif step == "approve":
            for waiting in place.retraining.requests(statuses=("open",)):
                if waiting.waits_for_approval:
                    place.retraining.approve(waiting.id, actor="ann")
        elif step == "reset":
            place.retraining.reset_breaker("demand", actor="ann")
        elif isinstance(step, int):
            place.clock.sleep(step)  # now and then the clock is set back
        elif place.journal.count(statuses=("queued",)):
            place.finish(step, dataset=f"rows-{rows}", rows=rows)
        tick()
        assert all(one.why() for one in place.retraining.requests(statuses=("open",)))

    runs = sorted(run.created for run in place.journal.runs(limit=1000))
    assert all(later - earlier >= WEEK for earlier, later in zip(runs, runs[2:], strict=False))
    accepted = place.retraining.requests(statuses=("accepted",), limit=1000)
    assert len({(one.trigger, one.cause) for one in accepted}) == len(accepted) == place.journal.count()

    waiting = {one.id for one in place.retraining.requests(statuses=("open",), limit=1000)}
    for _ in range(12):  # time goes on, and nothing else happens but that runs end
        place.clock.sleep(PATIENCE.total_seconds() / 4)
        tick()
        if place.journal.count(statuses=("queued",)):
            place.finish("succeeded", dataset=f"rows-{rows}", rows=rows)
    still = {one.id for one in place.retraining.requests(statuses=("open",), limit=1000)}
    assert not waiting & still, "whoever waited has been accepted or refused"
