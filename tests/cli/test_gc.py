"""`loopwright gc`: what goes, what stays, and that everything still works afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from loopwright.bootstrap.session import Session
from loopwright.core.clock import SystemClock, VirtualClock
from tests.cli.conftest import Command
from tests.loop.conftest import MODEL, open_here, rows
from tests.loop.test_loop import tick_until

ROW = {"day": ["2026-03-02"], "shop": ["n2"], "price": [2.0], "promotion": [False]}


@pytest.fixture
def aged(command: Command, project: Path) -> Iterator[Session]:
    """Two champions, one after the other, a hundred days ago."""
    command("run")
    (project / "demand.py").write_text(MODEL.replace("steps=(50, 100)", "steps=(100,)"))
    for number in (2, 3):
        rows(40, start=60 + 40 * number).write_csv(project / "data" / f"{number}.csv")
        command("run")
        session = open_here(project)
        tick_until(session, lambda session=session, number=number: session.champion().number == number)
        session.close()
    later = open_here(project, clock=VirtualClock(SystemClock().now() + timedelta(days=100)))
    yield later
    later.close()


def test_a_dry_run_says_what_would_go_and_leaves_it(command: Command, project: Path) -> None:
    command("run")
    store = project / ".loopwright" / "store"
    before = sorted(store.rglob("*"))
    said = command("gc", "--dry-run", "--json")
    assert (said.code, said.json["removed"], said.json["dry_run"]) == (0, {}, True)
    assert sorted(store.rglob("*")) == before
    assert "0 objects are gone" in command("gc").out


def test_old_jobs_and_refused_candidates_go_and_what_serves_stays(aged: Session, project: Path) -> None:
    swept = aged.platform.retention.sweep()
    assert swept.removed["jobs"] > 0
    for number in (1, 2, 3):
        answer = aged.predict(ROW, version=number)
        assert answer["prediction"].shape == (1,)
    aged.rollback("demand")
    assert aged.champion().number == 2
    rows(40, start=300).write_csv(project / "data" / "4.csv")
    run = aged.run()
    assert run.status in ("succeeded", "refused"), run.summary


def test_the_tick_sweeps_once_an_hour(aged: Session) -> None:
    clock = aged.platform.clock
    assert any("retention" in one for one in aged.tick().done)
    assert aged.platform.retention.tick() is None
    clock.sleep(3601)
    assert aged.platform.retention.tick() is not None
