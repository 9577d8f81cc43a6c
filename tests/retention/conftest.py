"""Records as they are held, for the rule to be asked about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from loopwright.core.decision import Decision
from loopwright.core.ids import derived_id
from loopwright.registry.records import ModelVersion
from loopwright.retention.records import Holdings, RunUse
from loopwright.traffic.records import EndpointRevision, Variant

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def run(name: str, *, ended: float | None = 100.0, model: str = "demand", dataset: str | None = None) -> RunUse:
    """A run that ended `ended` days ago (None: it goes on) and took the snapshot `dataset`."""
    used = (f"code/{name}.zip", f"datasets/{model}/versions/{dataset or name}.json")
    return RunUse(id=name, model=model, ended=None if ended is None else ago(ended), used=used)


def version(number: int, *, model: str = "demand") -> ModelVersion:
    """Version `number`, made by the run `run-<number>`."""
    candidate = derived_id("candidate", f"run-{number}")
    return ModelVersion(
        id=f"{model}-{number}",
        model=model,
        number=number,
        run=f"run-{number}",
        task="regression",
        folder=f"bundles/{candidate}",
        digest="0" * 64,
        evaluated=f"candidates/{candidate}",
        dataset=f"run-{number}",
        code=f"run-{number}",
        created=ago(100),
        gate=Decision(passed=True, reasons=()),
    )


def revision(number: int, *champions: int) -> EndpointRevision:
    """Revision `number`: the first of the versions is champion, a second one challenger."""
    named = zip(("champion", "challenger"), champions, strict=False)
    return EndpointRevision(
        endpoint="demand",
        model="demand",
        number=number,
        variants=tuple(
            Variant(name=name, version=one, bundle=version(one).folder, bundle_digest="", weight=50)
            for name, one in named
        ),
        actor="test",
        reason="",
        cause=str(number),
        at=ago(100),
        previous="",
    )


def keys_of(number: int) -> list[str]:
    """Every object that a run and its version leave."""
    candidate = derived_id("candidate", f"run-{number}")
    return [
        f"bundles/{candidate}/bundle.json",
        f"bundles/{candidate}/model.onnx",
        f"candidates/{candidate}/bundle.json",
        f"evaluations/{candidate}/reference.json",
        f"jobs/run-{number}-train-1/result.json",
        f"code/run-{number}.zip",
        f"datasets/demand/versions/run-{number}.json",
        f"datasets/demand/parts/part-{number}.parquet",
        f"datasets/demand/parts/part-{number}.json",
    ]


def holdings(numbers: Sequence[int], **given: object) -> Holdings:
    """Runs and versions `numbers`, all long past, with all their objects."""
    values: dict[str, object] = {
        "now": NOW,
        "keep_days": 30.0,
        "keep_versions": 2,
        "keys": tuple(key for number in numbers for key in keys_of(number)),
        "versions": tuple(version(number) for number in numbers),
        "runs": tuple(run(f"run-{number}", ended=200.0 - number) for number in numbers),
        "parts": {
            f"datasets/demand/versions/run-{number}.json": (f"datasets/demand/parts/part-{number}.parquet",)
            for number in numbers
        },
    }
    return Holdings(**(values | given))  # type: ignore[arg-type]
