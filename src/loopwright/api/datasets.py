"""Data: the snapshots that were taken, and how they kept their contracts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path

from loopwright.api.asking import Here, Limit, Name, OfModel
from loopwright.bootstrap.known import known
from loopwright.core.codec import from_json, from_plain
from loopwright.core.decision import Decision
from loopwright.data.records import DatasetVersion, ValidationReport

router = APIRouter(tags=["data"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """A dataset version and the runs that took it, latest first; none where it was only looked at, or cleaned."""

    version: DatasetVersion
    runs: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Validation:
    """How a run's snapshot kept its contract: `bad_rows` of `rows` went to `quarantine` (a key of the object store).

    `broken` counts rows by the rule they broke; `decision` failed where the run stopped there.
    """

    run: str
    model: str
    at: datetime
    rows: int
    bad_rows: int
    quarantine: str | None
    broken: dict[str, int]
    decision: Decision


@router.get("/datasets/{dataset}/versions")
def list_dataset_versions(dataset: Name, platform: Here, limit: Limit = 50) -> list[Snapshot]:
    """The snapshots of a data set (it has its model's name), those of the latest runs first."""
    runs: dict[str, list[str]] = {}
    for stage in platform.journal.finished("dataset_version", model=known(platform, dataset), limit=500):
        runs.setdefault(stage.result["digest"], []).append(stage.run)
    keys = {key.rpartition("/")[2].removesuffix(".json"): key for key in platform.storage.list(_folder(dataset))}
    order = [digest for digest in runs if digest in keys] + [digest for digest in keys if digest not in runs]
    return [
        Snapshot(version=from_json(platform.storage.get(keys[digest]), DatasetVersion), runs=runs.get(digest, []))
        for digest in order[:limit]
    ]


@router.get("/datasets/{dataset}/versions/{digest}")
def get_dataset_version(
    dataset: Name, digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$")], platform: Here
) -> DatasetVersion:
    """One snapshot."""
    return from_json(platform.storage.get(f"{_folder(dataset)}/{digest}.json"), DatasetVersion)


@router.get("/validations")
def list_validations(platform: Here, model: OfModel, limit: Limit = 50) -> list[Validation]:
    """How the latest runs' snapshots kept their contracts, newest first."""
    found = []
    for stage in platform.journal.finished("validation_report", model=model, limit=limit):
        report: ValidationReport = from_plain(stage.result, ValidationReport)
        found.append(
            Validation(
                run=stage.run,
                model=report.accepted.dataset,
                at=stage.finished or stage.started,
                rows=report.accepted.rows + report.bad_rows,
                bad_rows=report.bad_rows,
                quarantine=report.quarantine,
                broken=report.broken,
                decision=report.decision,
            )
        )
    return found


def _folder(dataset: str) -> str:
    return f"datasets/{dataset}/versions"
