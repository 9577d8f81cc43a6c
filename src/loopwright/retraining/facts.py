"""What the governor looks at, looked up: runs, the rollout under way, who has learned from what."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from loopwright.declare import Declaration
from loopwright.registry.records import ModelVersion
from loopwright.retraining.records import GovernorState, SourceState
from loopwright.retraining.rules import WEEK
from loopwright.rollout.service import Rollouts
from loopwright.runs.records import ENDED, Run
from loopwright.runs.service import Journal

LATEST = 50
"""Runs looked at, at least: more failures in a row do not make the breaker wait any longer."""


def look_around(
    declaration: Declaration,
    champion: ModelVersion | None,
    source: SourceState | None,
    *,
    journal: Journal,
    rollouts: Rollouts,
    reset: datetime | None,
    now: datetime,
) -> GovernorState:
    """All that is known of the model without looking at rows; `reset` is when a person last closed the breaker."""
    rollout = rollouts.active(declaration.name)
    runs = journal.runs(model=declaration.name, limit=max(LATEST, declaration.governor.per_week + 1))
    busy = next((run for run in runs if run.status not in ENDED), None)
    finished = [run.finished for run in runs if run.finished is not None]
    learner = champion if champion and champion.origin == "trained" else None
    failed = failures(runs, reset)
    return GovernorState(
        now=now,
        policy=declaration.governor,
        busy=busy.id if busy else None,
        rollout=f"the rollout of version {rollout.version}" if rollout else None,
        last_finished=max(finished, default=None),
        recent_runs=sum(abs(run.created - now) < WEEK for run in runs),
        champion=champion.number if champion else None,
        champion_until=learner.trained_until if learner else None,
        learned=_learned(learner, runs, journal),
        source=source,
        failures=len(failed),
        last_failed=max(failed, default=None),
        newest_run=runs[0].id if runs else None,
    )


def failures(runs: Iterable[Run], reset: datetime | None) -> list[datetime]:
    """When the runs ended, newest first, that failed or were refused since the last that succeeded, or since `reset`.

    What a person brought in or cancelled counts for neither.
    """
    found = []
    for run in runs:
        if run.finished is None or run.status == "cancelled" or "imported" in run.data:
            continue
        if run.status == "succeeded" or (reset is not None and run.finished <= reset):
            break
        found.append(run.finished)
    return found


def dataset_of(run: str, journal: Journal) -> dict[str, Any]:
    """The dataset version that a run took, in plain form; empty where it took none, or is forgotten."""
    return stage_of(run, "dataset_version", journal)


def stage_of(run: str, name: str, journal: Journal) -> dict[str, Any]:
    """What a stage of a run made, in plain form; empty where it made nothing, or is forgotten."""
    made = (stage.result for stage in journal.stages(run) if stage.name == name)
    return next(made, None) or {}


def _learned(learner: ModelVersion | None, runs: Iterable[Run], journal: Journal) -> dict[str, str]:
    learned = {learner.dataset: f"version {learner.number}"} if learner else {}
    trained = (run for run in runs if run.status in ("succeeded", "refused") and "imported" not in run.data)
    last = next(trained, None)
    if last is not None and (digest := dataset_of(last.id, journal).get("digest")):
        learned.setdefault(digest, last.id)
    return learned
