"""`loopwright up`: the platform, running; `loopwright tick`: one beat of it."""

from __future__ import annotations

import signal
from typing import Annotated

from cyclopts import Parameter

from loopwright.bootstrap.up import Up
from loopwright.bootstrap.worker import Worker
from loopwright.cli.output import Common, answer, say
from loopwright.core.codec import to_plain


def up(
    *,
    port: Annotated[int | None, Parameter(help="The control API's port.")] = None,
    inference_port: Annotated[int | None, Parameter(help="The inference server's port.")] = None,
    workers: Annotated[int | None, Parameter(help="How many processes answer inference requests.")] = None,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Run the platform: control API, MLflow, inference server, worker and watchers; Ctrl-C stops it in order."""
    platform = common.platform(port=port, inference_port=inference_port, inference_workers=workers)
    running = Up(platform, tell=(lambda text: answer({"said": text})) if common.json else say)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: running.stop())
    running.start()
    control = f"http://{platform.settings.host}:{platform.settings.port}"
    if common.json:
        answer({"control": control, "mlflow": f"{control}/mlflow", "inference": platform.inference_url})
    else:
        say(f"control API  [bold]{control}[/]  (docs at /docs)")
        if platform.settings.tracking != "off":
            say(f"MLflow       [bold]{control}/mlflow[/]")
        say(f"inference    [bold]{platform.inference_url}[/]")
        say("Ctrl-C stops everything in order")
    running.run()
    if not common.json:
        say("stopped; nothing was lost")
    return 0


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
