"""What a model's past says in a report: what training cost, how versions did, who asked for a retrain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from loopwright.core.codec import from_json
from loopwright.errors import NotFoundError
from loopwright.evaluation.records import Estimate, EvaluationReport
from loopwright.ports.compute import JobKind, JobResult, job_key
from loopwright.ports.storage import Storage
from loopwright.registry.records import ModelVersion
from loopwright.runs.jobs import name_job
from loopwright.runs.records import Run


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedVersion:
    """A version on its test rows: its figure in the `metric` that decided, with the interval at 95 % where known."""

    version: int
    created: datetime
    metric: str
    estimate: Estimate


@dataclass(frozen=True, kw_only=True, slots=True)
class RunCost:
    """What a run's jobs took: `seconds` by the clock, `core_hours` = seconds × the cores each job had, / 3600."""

    run: str
    at: datetime
    jobs: int
    seconds: float
    core_hours: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A request to retrain: `by` whom or what, `because`, what the governor said (`words`), the run that came of it."""

    at: datetime
    by: str
    because: str
    status: Literal["open", "accepted", "refused"]
    words: str
    run: str | None


def run_costs(storage: Storage, runs: Iterable[Run]) -> Iterator[RunCost]:
    """What each run's jobs took, as far as they left results that are still kept; runs without any are left out."""
    for run in runs:
        found = list(_results(storage, run))
        if found:
            yield RunCost(
                run=run.id,
                at=run.created,
                jobs=len(found),
                seconds=sum(one.seconds for one in found),
                core_hours=sum(one.seconds * one.cores for one in found) / 3600,
            )


def trained_versions(storage: Storage, versions: Iterable[ModelVersion]) -> Iterator[TrainedVersion]:
    """The versions that were evaluated here, oldest first."""
    for version in sorted(versions, key=lambda one: one.number):
        with suppress(NotFoundError, ValueError):  # brought in from elsewhere, or its bundle is gone
            report = from_json(storage.get(f"{version.folder}/evaluation.json"), EvaluationReport)
            estimate = report.metrics["candidate"].get(report.metric)
            if estimate is not None:
                yield TrainedVersion(
                    version=version.number, created=version.created, metric=report.metric, estimate=estimate
                )


def _results(storage: Storage, run: Run) -> Iterator[JobResult]:
    for attempt in range(1, run.attempt + 1):
        for kind in get_args(JobKind):
            with suppress(NotFoundError):
                yield from_json(storage.get(job_key(name_job(run.id, kind, attempt), "result.json")), JobResult)
