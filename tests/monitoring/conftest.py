"""A champion with a reference in its bundle, and traffic made of summaries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from loopwright.bundle.records import Reference, ReferenceColumn
from loopwright.core.clock import VirtualClock
from loopwright.core.codec import to_json
from loopwright.core.decision import Decision
from loopwright.monitoring.service import Monitors
from loopwright.policies.rollout import Canary
from loopwright.registry.records import ModelVersion
from loopwright.registry.service import Registry
from loopwright.rollout import ledger
from loopwright.rollout.service import Rollouts
from loopwright.runs.service import Journal
from loopwright.state.engine import State
from loopwright.testing.storage import MemoryStorage
from loopwright.traffic.summary import LATENCY_EDGES_MS, ColumnCounts, WindowSummary, summary_key

REFERENCE = Reference(
    rows=1000,
    columns=(
        ReferenceColumn(
            name="input.temp",
            kind="number",
            counts=(0, 250, 250, 250, 250, 0),
            edges=(0.0, 1.0, 2.0, 3.0, 4.0),
            importance=0.7,
        ),
        ReferenceColumn(
            name="input.weather", kind="category", counts=(500, 300, 200, 0), values=("a", "b", "c"), importance=0.3
        ),
        ReferenceColumn(name="output.prediction", kind="number", counts=(0, 500, 500, 0), edges=(0.0, 1.0, 2.0)),
    ),
)


@pytest.fixture
def journal(state: State, clock: VirtualClock) -> Journal:
    return Journal(state, clock)


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def registry(state: State, clock: VirtualClock) -> Registry:
    return Registry(state, clock)


@pytest.fixture
def rollouts(state: State, storage: MemoryStorage, registry: Registry, clock: VirtualClock) -> Rollouts:
    return Rollouts(state, storage, registry, clock)


@pytest.fixture
def monitors(
    state: State, storage: MemoryStorage, registry: Registry, rollouts: Rollouts, clock: VirtualClock
) -> Monitors:
    return Monitors(state, storage, registry, rollouts, clock)


@pytest.fixture
def promote(
    registry: Registry, rollouts: Rollouts, storage: MemoryStorage, clock: VirtualClock
) -> Callable[..., ModelVersion]:
    """`promote("first")`: a version with the reference in its bundle, live as champion at once."""

    def go_live(name: str, *, reference: Reference = REFERENCE) -> ModelVersion:
        version = registry.register(
            ModelVersion(
                id=name,
                model="demand",
                number=0,
                run=f"run-{name}",
                task="regression",
                folder=f"bundles/{name}",
                digest="0" * 64,
                evaluated=None,
                dataset=f"dataset-{name}",
                code="2" * 64,
                created=clock.now(),
                gate=Decision(passed=True, reasons=()),
            )
        )
        storage.put(f"bundles/{name}/reference.json", to_json(reference))
        rollouts.request(version, Canary(), rollout_id=f"rollout-{name}")
        if rollouts.active("demand"):
            rollouts.promote("demand", actor="test")
        return version

    return go_live


@pytest.fixture
def traffic(storage: MemoryStorage, clock: VirtualClock) -> Callable[..., None]:
    """`traffic(version, temp=…)`: a minute of a version's traffic that began now, as a server would write it."""
    sequence = [0]

    def send(
        version: int = 1,
        *,
        temp: Sequence[int] = (0, 250, 250, 250, 250, 0),
        weather: Sequence[int] = (500, 300, 200, 0),
        prediction: Sequence[int] = (0, 500, 500, 0),
        missing: int = 0,
        unseen: int = 0,
        errors: int = 0,
        ms: float = 2.0,
    ) -> None:
        rows = sum(temp) + missing + unseen
        latency = [0] * (len(LATENCY_EDGES_MS) + 1)
        latency[next(place for place, edge in enumerate(LATENCY_EDGES_MS) if edge >= ms)] = rows
        sequence[0] += 1
        summary = WindowSummary(
            endpoint="demand",
            revision=ledger.length(storage, "demand"),
            variant="champion",
            version=version,
            start=clock.now(),
            seconds=60.0,
            requests=rows,
            rows=rows,
            errors={"model": errors} if errors else {},
            latency=tuple(latency),
            columns={
                "input.temp": ColumnCounts(bins=tuple(temp), missing=missing, unseen=unseen),
                "input.weather": ColumnCounts(bins=tuple(weather)),
                "output.prediction": ColumnCounts(bins=tuple(prediction)),
            },
        )
        storage.put(summary_key(summary, "server", sequence[0]), to_json(summary))
        clock.sleep(timedelta(minutes=1).total_seconds())

    return send
