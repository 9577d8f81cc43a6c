"""Runs, trials, versions and aliases as the tracking store shows them: derived from the journal, at any time anew."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from loopwright.core.codec import from_plain
from loopwright.errors import NotFoundError
from loopwright.evaluation.records import EvaluationReport
from loopwright.evaluation.replay_records import ReplayReport
from loopwright.ports.storage import Storage, fetch_folder
from loopwright.ports.tracking import TrackedRun, TrackedVersion, Tracking
from loopwright.registry.records import ModelVersion
from loopwright.runs.records import ENDED, Run
from loopwright.runs.service import Journal
from loopwright.training.records import Candidate


def project_run(run_id: str, *, journal: Journal, storage: Storage, tracking: Tracking, scratch: Path) -> None:
    """Show the run and its trials, with what has come of them so far, and its version if it has one."""
    run = journal.get(run_id)
    results = {stage.name: stage.result for stage in journal.stages(run_id) if stage.status == "succeeded"}
    tracking.record_run(_main_run(run, results, storage, scratch))
    if "candidate" in results:
        candidate = from_plain(results["candidate"], Candidate)
        for trial in _trials(run, candidate):
            tracking.record_run(trial)
    if "model_version" in results:
        version = from_plain(results["model_version"], ModelVersion)
        tracking.record_version(_version(version, storage, scratch))


def project_aliases(
    model: str, aliases: Mapping[str, int], versions: Mapping[int, ModelVersion], *, tracking: Tracking
) -> None:
    """Let `champion` and `challenger` name there what the newest endpoint revision says."""
    for alias in ("champion", "challenger"):
        number = aliases.get(alias)
        version = versions.get(number) if number is not None else None
        tracking.point_alias(model, alias, version.id if version else None)


def _main_run(run: Run, results: Mapping[str, Any], storage: Storage, scratch: Path) -> TrackedRun:
    params: dict[str, str] = {}
    metrics: dict[str, float] = {}
    files: dict[str, Path] = {}
    tags = {"cause": run.cause, "actor": run.actor, "status": run.status}
    if "code_version" in results:
        code = results["code_version"]
        tags |= {
            "code": code["digest"],
            "git_commit": code["commit"] or "none",
            "git_dirty": str(code["dirty"]).lower(),
        }
    if "dataset_version" in results:
        tags["dataset"] = results["dataset_version"]["digest"]
    if "candidate" in results:
        candidate = from_plain(results["candidate"], Candidate)
        params = {name: str(value) for name, value in candidate.params.items()}
        tags |= {"task": candidate.task, "features": ", ".join(candidate.features)[:5000]}
        metrics |= {"training_seconds": candidate.seconds, "training_rows": float(candidate.rows)}
    if "evaluation_report" in results:
        report = from_plain(results["evaluation_report"], EvaluationReport)
        for who, figures in report.metrics.items():
            prefix = "" if who == "candidate" else f"{who}_"
            metrics |= {f"{prefix}{name}": one.value for name, one in figures.items()}
        files = {f"pictures/{name}.png": storage.fetch(key, scratch) for name, key in report.pictures.items()}
    if "replay_report" in results:
        replayed = from_plain(results["replay_report"], ReplayReport)
        metrics |= _replay_metrics(replayed)
        files |= {f"pictures/{name}.png": storage.fetch(key, scratch) for name, key in replayed.pictures.items()}
    if "gate_decision" in results:
        decision = results["gate_decision"]["decision"]
        tags["gate"] = "passed" if decision["passed"] else "refused"
        tags["gate_reasons"] = "; ".join(f"{one['finding']}: {one['text']}" for one in decision["reasons"])[:5000]
    state = {"succeeded": "succeeded", "refused": "succeeded"}.get(run.status, "failed")
    return TrackedRun(
        id=run.id,
        model=run.model,
        name=run.id,
        started=run.started or run.created,
        finished=run.finished,
        state=state if run.status in ENDED else "running",  # type: ignore[arg-type]
        params=params,
        metrics={name: value for name, value in metrics.items() if value == value},
        tags=tags,
        files=files,
    )


def _replay_metrics(report: ReplayReport) -> dict[str, float]:
    found = {"replay_rows": float(report.rows), "replay_failed": float(report.failed)} if report.rows else {}
    if report.differences is not None:
        found["replay_changed"] = report.differences.whole.changed.value
    if report.latency is not None:
        found["replay_latency_ratio"] = report.latency.ratio
    return found


def _trials(run: Run, candidate: Candidate) -> list[TrackedRun]:
    return [
        TrackedRun(
            id=f"{run.id}-trial-{trial.number}",
            model=run.model,
            name=f"trial {trial.number}",
            started=trial.started,
            finished=trial.started + timedelta(seconds=trial.seconds),
            state="failed" if trial.state == "failed" else "succeeded",
            parent=run.id,
            params={name: str(value) for name, value in trial.params.items()},
            metrics={"seconds": trial.seconds} | ({candidate.metric: trial.score} if trial.score is not None else {}),
            tags={"trial": trial.state},
        )
        for trial in candidate.trials
    ]


def _version(version: ModelVersion, storage: Storage, scratch: Path) -> TrackedVersion:
    try:
        folder = fetch_folder(storage, version.folder, scratch)
    except NotFoundError as error:
        raise NotFoundError(f"the bundle of {version.model} {version.number} is gone: {error}") from error
    tags = version.lineage | {"dataset": version.dataset, "run": version.run, "number": str(version.number)}
    return TrackedVersion(
        id=version.id, model=version.model, number=version.number, run=version.run, folder=folder, tags=tags
    )
