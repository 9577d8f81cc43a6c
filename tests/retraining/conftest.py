"""A model with a champion, a journal, and findings written as monitoring writes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from loopwright.core.clock import VirtualClock
from loopwright.core.codec import to_plain
from loopwright.core.decision import Decision, Reason
from loopwright.declare import Canary
from loopwright.monitoring.store import FINDINGS
from loopwright.registry.records import ModelVersion
from loopwright.registry.service import Registry
from loopwright.retraining.service import Retraining
from loopwright.rollout.service import Rollouts
from loopwright.runs.records import RunStatus
from loopwright.runs.service import Journal
from loopwright.state.engine import METADATA, State, insert_once
from loopwright.testing.storage import MemoryStorage


@pytest.fixture
def state(tmp_path: Path):
    opened = State(f"sqlite:///{tmp_path / 'state.db'}")
    METADATA.create_all(opened.engine)
    yield opened
    opened.close()


@pytest.fixture
def journal(state: State, clock: VirtualClock) -> Journal:
    return Journal(state, clock)


@pytest.fixture
def rollouts(state: State, clock: VirtualClock) -> Rollouts:
    return Rollouts(state, MemoryStorage(), Registry(state, clock), clock)


@pytest.fixture
def retraining(state: State, journal: Journal, rollouts: Rollouts, clock: VirtualClock) -> Retraining:
    return Retraining(state, journal, rollouts.registry, rollouts, clock)


@pytest.fixture
def promote(rollouts: Rollouts, clock: VirtualClock) -> Callable[..., ModelVersion]:
    """`promote("first", dataset="a", rows=100)`: a version, live as champion at once."""

    def go_live(name: str, *, dataset: str = "old", rows: int = 100, until: str | None = None) -> ModelVersion:
        version = rollouts.registry.register(
            ModelVersion(
                id=name,
                model="demand",
                number=0,
                run=f"run-{name}",
                task="regression",
                folder=f"bundles/{name}",
                digest="0" * 64,
                evaluated=None,
                dataset=dataset,
                code="2" * 64,
                created=clock.now(),
                gate=Decision(passed=True, reasons=()),
                trained_until=until,
                trained_rows=rows,
            )
        )
        rollouts.request(version, Canary(), rollout_id=f"rollout-{name}")
        if rollouts.active("demand"):
            rollouts.promote("demand", actor="test")
        return version

    return go_live


@pytest.fixture
def found(state: State, clock: VirtualClock) -> Callable[..., str]:
    """`found(version)`: a window in which that version's traffic drifted; the finding's id."""
    number = [0]

    def write(version: int = 1, *, passed: bool = False) -> str:
        number[0] += 1
        reason = Reason(rule="drift", finding="pass" if passed else "fail", text="input.temp drifted: PSI 0.40")
        values = {
            "id": f"finding-{number[0]}",
            "model": "demand",
            "endpoint": "demand",
            "version": version,
            "kind": "drift",
            "window_start": clock.now() - timedelta(hours=1),
            "window_end": clock.now(),
            "rows": 1000,
            "judged": True,
            "passed": passed,
            "decision": to_plain(Decision(passed=passed, reasons=(reason,))),
            "columns": [],
            "at": clock.now(),
        }
        with state.write() as connection:
            insert_once(connection, FINDINGS, values)
        return str(values["id"])

    return write


@pytest.fixture
def finish(journal: Journal) -> Callable[..., str]:
    """`finish("succeeded", dataset="b")`: work through the oldest queued run."""

    def work(status: RunStatus, *, dataset: str = "old", rows: int = 100) -> str:
        claim = journal.claim("worker")
        assert claim is not None
        journal.begin_stage(claim, "dataset_version", 0)
        journal.finish_stage(claim, "dataset_version", {"digest": dataset, "rows": rows})
        return journal.finish(claim, status).id

    return work
