"""Runs: ask for one, follow it, read its logs, cancel it, try it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from loopwright.api.asking import Here, Limit, Offset, OfModel, Order, Page
from loopwright.bootstrap.known import known
from loopwright.runs.records import Run, RunStatus, StageRecord

router = APIRouter(tags=["runs"])


class RunOrder(Order):
    """A run of the loop, now, whatever the governor would say: as `loopwright run`."""

    model: str = Field(description="The model's name.")


@dataclass(frozen=True, kw_only=True, slots=True)
class RunDetails:
    """A run and its stages so far, in their order."""

    run: Run
    stages: list[StageRecord]


@router.get("/runs")
def list_runs(
    platform: Here,
    model: OfModel,
    status: Annotated[list[RunStatus] | None, Query(description="Only those that stand so.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> Page[Run]:
    """Runs, newest first."""
    statuses = tuple(status or ())
    runs = platform.journal.runs(model=model, statuses=statuses, limit=limit, offset=offset)
    return Page(items=runs, total=platform.journal.count(model=model, statuses=statuses), limit=limit, offset=offset)


@router.post("/runs", status_code=202)
def submit_run(order: RunOrder, platform: Here) -> Run:
    """Queue a run; the platform's worker takes it up."""
    cause = f"by hand: {order.reason}" if order.reason else "by hand"
    return platform.journal.submit(known(platform, order.model), cause=cause, actor=order.by(platform))


@router.get("/runs/{run}")
def get_run(run: str, platform: Here) -> RunDetails:
    """A run and its stages."""
    return RunDetails(run=platform.journal.get(run), stages=platform.journal.stages(run))


@router.post("/runs/{run}/cancel")
def cancel_run(run: str, platform: Here) -> Run:
    """Cancel a run that has not ended; what it had finished is kept."""
    return platform.journal.cancel(run)


@router.post("/runs/{run}/retry", status_code=202)
def retry_run(run: str, platform: Here) -> Run:
    """Go on with a failed or cancelled run."""
    return platform.journal.retry(run)


@router.get("/runs/{run}/logs")
def get_logs(run: str, platform: Here) -> dict[str, str]:
    """What the run's jobs have printed (the last 64 KiB of each), by job."""
    return platform.jobs.logs(platform.journal.get(run))
