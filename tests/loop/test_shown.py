"""What the tracking store is shown: everything once, whatever one run's trouble, and by one process at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from loopwright.bootstrap.session import Session
from loopwright.errors import LoopwrightError, NotFoundError, StateError
from loopwright.state.alone import alone
from loopwright.testing.tracking import MemoryTracking

Open = Callable[..., Session]


class Picky(MemoryTracking):
    """Refuses one run."""

    def __init__(self, refused: str, trouble: LoopwrightError) -> None:
        super().__init__()
        self.refused, self.trouble = refused, trouble

    def record_run(self, run):
        if run.id == self.refused:
            raise self.trouble
        super().record_run(run)


def ended(session: Session, run_id: str) -> None:
    journal = session.platform.journal
    journal.submit(run_id, cause="test", actor="ann", run_id=run_id)
    claim = journal.claim("w1")
    assert claim is not None
    journal.finish(claim, "refused")


def shown(session: Session, tracking: MemoryTracking) -> list[str]:
    session.platform.__dict__["tracking"] = tracking
    session.worker.show()
    return sorted(tracking.runs)


def test_one_runs_trouble_keeps_no_other_waiting_and_is_tried_again(open_project: Open) -> None:
    session = open_project()
    ended(session, "first")
    ended(session, "second")
    picky = Picky("first", StateError("MLflow is busy"))
    with pytest.raises(StateError, match="busy"):
        shown(session, picky)
    assert sorted(picky.runs) == ["second"]
    assert shown(session, MemoryTracking()) == ["first"]


def test_what_is_gone_is_not_asked_for_again(open_project: Open) -> None:
    session = open_project()
    ended(session, "first")
    assert shown(session, Picky("first", NotFoundError("its bundle was collected"))) == []
    assert shown(session, MemoryTracking()) == []


def test_two_processes_do_not_show_the_same_at_once(open_project: Open, project: Path) -> None:
    session = open_project()
    ended(session, "first")
    with alone(session.platform.state, "tracking") as ours:
        assert ours
        assert shown(session, MemoryTracking()) == []
    assert shown(session, MemoryTracking()) == ["first"]


def test_a_whole_run_is_shown_with_its_version_and_its_alias(open_project: Open) -> None:
    session = open_project()
    tracking = MemoryTracking()
    session.platform.__dict__["tracking"] = tracking
    run = session.run()
    assert run.id in tracking.runs
    champion = session.champion()
    assert tracking.aliases("demand") == {"champion": champion.id}
