"""A registry with versions, an endpoint store in memory, and traffic made of summaries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from loopwright.core.clock import VirtualClock
from loopwright.core.codec import to_json
from loopwright.core.decision import Decision
from loopwright.registry.records import ModelVersion
from loopwright.registry.service import Registry
from loopwright.rollout import ledger
from loopwright.rollout.service import Rollouts
from loopwright.state.engine import State
from loopwright.state.schema import prepare
from loopwright.testing.storage import MemoryStorage
from loopwright.traffic.summary import LATENCY_EDGES_MS, SlotCounts, WindowSummary, summary_key

Traffic = Callable[..., None]


@pytest.fixture
def state(tmp_path: Path):
    opened = State(f"sqlite:///{tmp_path / 'state.db'}")
    prepare(opened)
    yield opened
    opened.close()


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def registry(state: State, clock: VirtualClock) -> Registry:
    return Registry(state, clock)


@pytest.fixture
def rollouts(state: State, storage: MemoryStorage, registry: Registry, clock: VirtualClock) -> Rollouts:
    return Rollouts(state, storage, registry, clock, window_seconds=1)


@pytest.fixture
def version(registry: Registry, clock: VirtualClock) -> Callable[..., ModelVersion]:
    def register(name: str, *, model: str = "demand", needs_approval: bool = False) -> ModelVersion:
        return registry.register(
            ModelVersion(
                id=name,
                model=model,
                number=0,
                run=f"run-{name}",
                task="regression",
                folder=f"bundles/{name}",
                digest="0" * 64,
                evaluated=None,
                dataset="1" * 64,
                code="2" * 64,
                created=clock.now(),
                gate=Decision(passed=True, reasons=()),
                needs_approval=needs_approval,
            )
        )

    return register


@pytest.fixture
def traffic(storage: MemoryStorage, clock: VirtualClock) -> Traffic:
    """`traffic(version, requests, errors=0, ms=2.0)`: a variant's window, as a server writes it."""
    sequence = [0]

    def send(
        version: int,
        requests: int,
        *,
        errors: int = 0,
        ms: float = 2.0,
        variant: str = "challenger",
        revision: int | None = None,
        seconds: float = 1.0,
        shadow: bool = False,
        by_slot: SlotCounts | None = None,
        named: int = 0,
    ) -> None:
        latency = [0] * (len(LATENCY_EDGES_MS) + 1)
        latency[next(place for place, edge in enumerate(LATENCY_EDGES_MS) if edge >= ms)] = requests - errors
        clock.sleep(seconds)
        summary = WindowSummary(
            endpoint="demand",
            revision=revision or ledger.length(storage, "demand"),
            variant=variant,
            version=version,
            start=clock.now() - timedelta(seconds=1),
            seconds=1.0,
            requests=requests - errors,
            rows=requests - errors,
            errors={"model": errors} if errors else {},
            latency=tuple(latency),
            shadow=shadow,
            by_slot=by_slot,
            named=named,
        )
        sequence[0] += 1
        storage.put(summary_key(summary, "server", sequence[0]), to_json(summary))

    return send
