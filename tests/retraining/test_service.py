"""From a cause to a run, once."""

from __future__ import annotations

import pytest

from loopwright.declare import Declaration, Drift, Governor, NewData
from loopwright.retraining.records import SourceState

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
