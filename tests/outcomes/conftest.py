"""A registered version, captured predictions and outcomes in a store."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopwright.core.clock import VirtualClock
from loopwright.core.codec import to_json
from loopwright.core.decision import Decision
from loopwright.outcomes.telling import record_outcomes
from loopwright.registry.records import ModelVersion
from loopwright.registry.service import Registry
from loopwright.state.engine import State
from loopwright.state.schema import prepare
from loopwright.testing.storage import MemoryStorage
from loopwright.traffic.outcomes import Outcome
from loopwright.traffic.predictions import segment_key
from tests.manifests import draft_manifest

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def state(tmp_path) -> Iterator[State]:
    opened = State(f"sqlite:///{tmp_path / 'state.db'}")
    prepare(opened)
    yield opened
    opened.close()


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def registry(state: State) -> Registry:
    return Registry(state, VirtualClock(START))


@pytest.fixture
def registered(registry: Registry, storage: MemoryStorage) -> Callable[..., ModelVersion]:
    def make(task: str = "regression") -> ModelVersion:
        version = registry.register(
            ModelVersion(
                id=f"v-{task}",
                model="demand",
                number=0,
                run=f"run-{task}",
                task=task,
                folder=f"bundles/{task}",
                digest="0" * 64,
                evaluated=None,
                dataset="dataset",
                code="2" * 64,
                created=START,
                gate=Decision(passed=True, reasons=()),
            )
        )
        manifest = draft_manifest(task, START)
        storage.put(f"{version.folder}/bundle.json", to_json(manifest))
        return version

    return make


@pytest.fixture
def predicted(storage: MemoryStorage) -> Callable[..., None]:
    """`predicted({"prediction": [1.0]}, ids=["a"])`: a segment, a prediction a minute; other columns by name."""

    def write(outputs: dict[str, Any], *, ids: Sequence[str], version: int = 1, **columns: Any) -> None:
        count = len(ids)
        at = columns.pop("at", [START + timedelta(minutes=place) for place in range(count)])
        facts = {
            "prediction_id": pa.array(ids, pa.string()),
            "endpoint": ["demand"] * count,
            "revision": [1] * count,
            "variant": ["champion"] * count,
            "version": [version] * count,
            "at": pa.array(at, pa.timestamp("us", "UTC")),
            "key": pa.array(columns.pop("key", [None] * count), pa.string()),
            "latency_ms": [1.0] * count,
        }
        inputs = {f"input.{name}": values for name, values in columns.items()}
        sink = io.BytesIO()
        pq.write_table(pa.table(facts | inputs | {f"output.{name}": one for name, one in outputs.items()}), sink)
        storage.put(segment_key("demand", at[0], "server", version), sink.getvalue())

    return write


@pytest.fixture
def told(storage: MemoryStorage) -> Callable[..., None]:
    """`told("a", 1.0, at=2)`: known on the second day after the start, and told then or `on` another day."""

    def tell(prediction: str, value: object, *, at: float = 1, on: float | None = None) -> None:
        known, came = (START + timedelta(days=days) for days in (at, at if on is None else on))
        record_outcomes(storage, [Outcome(endpoint="demand", prediction_id=prediction, value=value, at=known)], came)

    return tell
