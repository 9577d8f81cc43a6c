"""`loopwright stage`: one stage of a run, for whatever drives runs from outside."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from loopwright.bootstrap.steps import STAGE_NAMES, work_stage
from loopwright.bootstrap.worker import Worker
from loopwright.cli.output import Common, answer, say, table
from loopwright.core.codec import to_plain
from loopwright.errors import NotFoundError, RequestError
from loopwright.loop import STAGES

NEW = "new"


def stage(
    run: Annotated[str | None, Parameter(help="The run's id; `new` begins one.")] = None,
    stage: Annotated[str | None, Parameter(help="The stage's name.")] = None,
    *,
    model: Annotated[str | None, Parameter(help="The model of a new run, where there are several.")] = None,
    list_stages: Annotated[bool, Parameter(name="--list", negative="", help="Show the stages in their order.")] = False,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Work through exactly one STAGE of RUN; the next call goes on with the next.

    Ends with 0 when the stage is done (also when it was done before), 1 when it failed or the run was refused.
    """
    if list_stages:
        return _list(common)
    if run is None or stage is None:
        raise RequestError("name a run and a stage", remedy=f"for example: loopwright stage new {STAGE_NAMES[0]}")
    platform = common.platform()
    run_id = run
    if run == NEW and stage != STAGE_NAMES[0]:  # or a run would be queued that nobody wanted
        raise NotFoundError(f"no run begins with {stage!r}", remedy=f"loopwright stage new {STAGE_NAMES[0]}")
    if run == NEW:
        declared = platform.project.model(model)
        run_id = platform.journal.submit(declared.name, cause="driven from outside", actor=platform.actor).id
    worked = work_stage(Worker(platform), run_id, stage)
    record = next((one for one in platform.journal.stages(run_id) if one.name == stage), None)
    platform.close()
    if common.json:
        answer({"run": to_plain(worked), "stage": to_plain(record)})
    else:
        say(f"run {worked.id} of {worked.model}: {stage} {record.status if record else 'not done'}; {worked.status}")
        if worked.summary:
            say(f"  {worked.summary}")
    done = record is not None and record.status == "succeeded"
    return 0 if done and worked.status not in ("refused", "cancelled") else 1


def _list(common: Common) -> int:
    lines = [(one.__name__, (one.__doc__ or "").split("\n", 1)[0]) for one in STAGES]
    if common.json:
        answer([{"name": name, "makes": line} for name, line in lines])
    else:
        table(("stage", "what it makes"), lines)
    return 0
