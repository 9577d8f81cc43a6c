"""A model with a champion, a journal, and findings written as monitoring writes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest

from loopwright.core.clock import VirtualClock
from loopwright.core.codec import to_plain
from loopwright.core.decision import Decision, Reason
from loopwright.monitoring.store import FINDINGS
from loopwright.policies.rollout import Canary
from loopwright.registry.records import ModelVersion
from loopwright.registry.service import Registry
from loopwright.retraining.service import Retraining
from loopwright.rollout.service import Rollouts
from loopwright.runs.records import RunStatus
from loopwright.runs.service import Journal
from loopwright.state.engine import METADATA, State, insert_once
from loopwright.testing.storage import MemoryStorage


class Place:
    """A control plane's rooms around one state database, and what happens there."""

    def __init__(self, url: str) -> None:
        self.clock = VirtualClock()
        self.state = State(url)
        METADATA.create_all(self.state.engine)
        self.journal = Journal(self.state, self.clock)
        self.registry = Registry(self.state, self.clock)
        self.rollouts = Rollouts(self.state, MemoryStorage(), self.registry, self.clock)
        self.retraining = Retraining(self.state, self.journal, self.registry, self.rollouts, self.clock)
        self._numbers = count(1)

    def promote(self, name: str, *, dataset: str = "old", rows: int = 100, until: str | None = None) -> ModelVersion:
        """A version, live as champion at once."""
        version = self.registry.register(
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
                created=self.clock.now(),
                gate=Decision(passed=True, reasons=()),
                trained_until=until,
                trained_rows=rows,
            )
        )
        self.rollouts.request(version, Canary(), rollout_id=f"rollout-{name}")
        if self.rollouts.active("demand"):
            self.rollouts.promote("demand", actor="test")
        return version

    def found(self, version: int = 1, *, passed: bool = False, kind: str = "drift") -> str:
        """A window in which that version's traffic drifted; the finding's id."""
        reason = Reason(rule="drift", finding="pass" if passed else "fail", text="input.temp drifted: PSI 0.40")
        number = next(self._numbers)
        values = {
            "id": f"finding-{number}",
            "model": "demand",
            "endpoint": "demand",
            "version": version,
            "kind": kind,
            "window_start": self.clock.now() - timedelta(hours=1),
            "window_end": self.clock.now() + timedelta(seconds=number),
            "rows": 1000,
            "judged": True,
            "passed": passed,
            "decision": to_plain(Decision(passed=passed, reasons=(reason,))),
            "columns": [],
            "at": self.clock.now(),
        }
        with self.state.write() as connection:
            insert_once(connection, FINDINGS, values)
        return str(values["id"])

    def finish(self, status: RunStatus, *, dataset: str = "old", rows: int = 100) -> str:
        """Work through the oldest queued run; its id."""
        claim = self.journal.claim("worker")
        assert claim is not None
        self.journal.begin_stage(claim, "dataset_version", 0)
        self.journal.finish_stage(claim, "dataset_version", {"digest": dataset, "rows": rows})
        return self.journal.finish(claim, status).id


@pytest.fixture
def fresh(tmp_path: Path):
    """`fresh()`: a new place each time."""
    made: list[Place] = []

    def make() -> Place:
        made.append(Place(f"sqlite:///{tmp_path / f'state-{len(made)}.db'}"))
        return made[-1]

    yield make
    for place in made:
        place.state.close()


@pytest.fixture
def place(state_url: str):
    made = Place(state_url)
    yield made
    made.state.close()


@pytest.fixture
def clock(place: Place) -> VirtualClock:
    return place.clock


@pytest.fixture
def state(place: Place) -> State:
    return place.state


@pytest.fixture
def journal(place: Place) -> Journal:
    return place.journal


@pytest.fixture
def retraining(place: Place) -> Retraining:
    return place.retraining


@pytest.fixture
def promote(place: Place) -> Callable[..., ModelVersion]:
    return place.promote


@pytest.fixture
def found(place: Place) -> Callable[..., str]:
    return place.found


@pytest.fixture
def finish(place: Place) -> Callable[..., str]:
    return place.finish
