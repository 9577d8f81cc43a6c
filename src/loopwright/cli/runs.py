"""`loopwright runs`: look at runs, read their logs, cancel them."""

from __future__ import annotations

from cyclopts import App

from loopwright.bootstrap.known import known_here
from loopwright.cli.output import Common, Limit, answer, say, table
from loopwright.core.codec import to_plain
from loopwright.errors import NotFoundError

app = App(name="runs", help="Look at runs, read their logs, cancel them.")


@app.command(name="list")
def list_runs(
    model: str | None = None,
    *,
    limit: Limit = 20,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Show runs, newest first."""
    platform = common.platform()
    runs = platform.journal.runs(model=known_here(platform, model), limit=limit)
    if common.json:
        answer(to_plain(runs))
        return 0
    table(
        ("run", "model", "status", "cause", "by", "what came of it"),
        ((one.id, one.model, one.status, one.cause, one.actor, one.summary) for one in runs),
        none=f"no run{'' if model is None else f' of {model}'} yet: `loopwright run` turns the loop once",
    )
    return 0


@app.command
def show(run: str, *, common: Common = Common()) -> int:  # noqa: B008
    """Show a run and its stages."""
    platform = common.platform()
    found, stages = platform.journal.get(run), platform.journal.stages(run)
    if common.json:
        answer({"run": to_plain(found), "stages": to_plain(stages)})
        return 0
    say(f"[bold]{found.model}[/] {found.id}: {found.status} ({found.cause}, by {found.actor}, attempt {found.attempt})")
    if found.summary:
        say(f"  {found.summary}")
    if found.fault and found.fault.remedy:
        say(f"  {found.fault.remedy}")
    table(
        ("stage", "status", "seconds", "said last"),
        (
            (
                one.name,
                one.status,
                f"{(one.finished - one.started).total_seconds():.2f}" if one.finished else "",
                one.fault.message if one.fault else one.progress,
            )
            for one in stages
        ),
    )
    return 0


@app.command
def logs(run: str, *, common: Common = Common()) -> int:  # noqa: B008
    """Show what a run's jobs (or one job, by its id) have printed."""
    platform = common.platform()
    keys = platform.storage.list("jobs/")
    jobs = sorted({key.split("/")[1] for key in keys if key.split("/")[1].startswith(run)})
    if not jobs:
        platform.journal.get(run)
        raise NotFoundError(f"{run} has started no job", remedy="`loopwright runs show` says how far it came")
    printed = {job: platform.jobs.log(job) for job in jobs}
    if common.json:
        answer(printed)
        return 0
    for job, text in printed.items():
        say(f"[bold]{job}[/]")
        say(text.rstrip().replace("[", r"\["))
    return 0


@app.command
def cancel(run: str, *, common: Common = Common()) -> int:  # noqa: B008
    """Cancel a run that has not ended; what it had finished is kept."""
    cancelled = common.platform().journal.cancel(run)
    if common.json:
        answer(to_plain(cancelled))
    else:
        say(f"{run} is cancelled; `loopwright run --retry {run}` goes on with it")
    return 0
