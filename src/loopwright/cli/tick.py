"""`loopwright tick`: one beat of the platform, where no `loopwright up` runs."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from loopwright.bootstrap.worker import Worker
from loopwright.cli.output import Common, answer, say
from loopwright.core.codec import to_plain


def tick(
    *,
    work: Annotated[bool, Parameter(help="Also work through the runs that wait.")] = True,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Look once at everything that is due, do it, and end: for a cron job, where no `loopwright up` runs."""
    platform = common.platform()
    worker = Worker(platform)
    beat = worker.tick()
    runs = []
    while work and (run := worker.work()) is not None:
        runs.append(run)
    if runs:
        later = worker.tick()
        beat.done.extend(later.done)
        beat.troubles.extend(later.troubles)
    platform.close()
    if common.json:
        answer({"done": beat.done, "troubles": beat.troubles, "runs": to_plain(runs)})
    else:
        for said in beat.done or ["nothing is due"]:
            say(said)
        for trouble in beat.troubles:
            say(f"[yellow]{trouble}[/]")
        for run in runs:
            say(f"run {run.id} of {run.model}: {run.status}" + (f" ({run.summary})" if run.summary else ""))
    return 1 if beat.troubles or any(run.status == "failed" for run in runs) else 0
