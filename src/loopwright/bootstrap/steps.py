"""One stage of a run by itself, so that something else can drive the run: Step Functions, a scheduler, a person."""

from __future__ import annotations

from loopwright.bootstrap.worker import Worker
from loopwright.errors import ConflictError, NotFoundError
from loopwright.loop import STAGES
from loopwright.runs.records import Run

STAGE_NAMES = tuple(stage.__name__ for stage in STAGES)
"""A run's stages, in their order."""


def work_stage(worker: Worker, run_id: str, stage: str) -> Run:
    """Work through `stage` of the run and no other; the run as it then stands.

    A stage that is done is not done again; one that failed is tried again. Raises `NotFoundError` for a name that
    nothing answers to, and `ConflictError` where an earlier stage is missing, or another worker has the run.
    """
    journal = worker.platform.journal
    if stage not in STAGE_NAMES:
        raise NotFoundError(f"there is no stage {stage!r}", remedy=f"the stages are: {', '.join(STAGE_NAMES)}")
    run = journal.get(run_id)
    done = {one.name for one in journal.stages(run_id) if one.status == "succeeded"}
    if stage in done or run.status in ("refused", "cancelled"):
        return run
    missing = next(name for name in STAGE_NAMES if name not in done)
    if missing != stage:
        raise ConflictError(
            f"run {run_id} has not come to {stage}: {missing} comes first",
            remedy=f"loopwright stage {run_id} {missing}",
        )
    if run.status == "failed":
        journal.retry(run_id)
    worked = worker.work(run_id=run_id, only=stage)
    if worked is None:
        raise ConflictError(
            f"run {run_id} cannot be taken: another worker has it, or another run of {run.model}",
            remedy="wait until it has ended: `loopwright runs list`",
        )
    return worked
