"""`loopwright run`: one turn of the loop, shown as it goes."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import Annotated

from cyclopts import Parameter
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from loopwright.bootstrap.platform import Platform
from loopwright.bootstrap.worker import Worker
from loopwright.cli.output import Common, answer, console, reasons, say
from loopwright.core.codec import from_plain, to_plain
from loopwright.core.decision import Decision
from loopwright.runs.records import ENDED, Run, StageRecord


def run(
    model: str | None = None,
    *,
    retry: Annotated[str | None, Parameter(help="Go on with this failed or cancelled run instead.")] = None,
    common: Common = Common(),  # noqa: B008 - a frozen record of defaults
) -> int:
    """Run the loop once for MODEL: snapshot, contract, training, evaluation, gate, registration, rollout.

    Ends with 0 when the version is on its way to the endpoint, 1 when the run was refused or failed.
    """
    platform = common.platform()
    if retry is None:
        declared = platform.project.model(model)
        submitted = platform.journal.submit(declared.name, cause="by hand", actor=platform.actor)
    else:
        submitted = platform.journal.retry(retry)
    return work_through(platform, submitted, as_json=common.json)


def work_through(platform: Platform, submitted: Run, *, as_json: bool) -> int:
    """Work through a run here and now, shown as it goes; the exit code that says how it ended."""
    # MLflow takes seconds to import and is needed at the end: let it come while the jobs work.
    threading.Thread(target=lambda: platform.tracking, daemon=True).start()
    worker = Worker(platform)
    thread = threading.Thread(target=_work, args=(worker, submitted.id), daemon=True)
    thread.start()
    try:
        ended = _follow(platform, submitted.id, thread, quiet=as_json)
    except KeyboardInterrupt:
        worker.stopping.set()
        thread.join()
        if platform.journal.get(submitted.id).status not in ENDED:
            platform.journal.cancel(submitted.id)
            say(f"cancelled; `loopwright run --retry {submitted.id}` goes on where it stopped")
        raise
    thread.join()
    beat = worker.tick()
    for trouble in beat.troubles:
        if not as_json and not (ended.fault and ended.fault.message in trouble):  # which is told below
            say(f"[yellow]{escape(trouble)}[/]")
    _tell(platform, ended, as_json=as_json)
    platform.close()
    return 0 if ended.status == "succeeded" else 1


def _work(worker: Worker, run_id: str) -> None:
    """Work through the run; where another worker has it, or the model is busy, wait until it has ended."""
    while not worker.stopping.is_set() and worker.platform.journal.get(run_id).status not in ENDED:
        if worker.work(run_id=run_id) is None:
            worker.stopping.wait(0.5)


def _follow(platform: Platform, run_id: str, thread: threading.Thread, *, quiet: bool) -> Run:
    with Live(console=console, refresh_per_second=8) if not quiet else nullcontext() as live:
        while True:
            alive = thread.is_alive()
            current = platform.journal.get(run_id)
            if live is not None:
                live.update(_picture(current, platform.journal.stages(run_id)))
            if current.status in ENDED or not alive:
                break
            thread.join(0.15)
    if not quiet and not console.is_terminal:
        say()  # in a file or a pipe the picture ends without a line's end
    return current


def _picture(run: Run, stages: list[StageRecord]) -> Table:
    drawn = Table.grid(padding=(0, 2))
    drawn.add_row("", f"[bold]{run.model}[/]", run.id, "")
    for stage in stages:
        mark = {"succeeded": "[green]✓[/]", "failed": "[red]✗[/]", "running": "[cyan]▸[/]"}[stage.status]
        seconds = f"{(stage.finished - stage.started).total_seconds():.1f} s" if stage.finished else ""
        said = gist(stage) if stage.status == "succeeded" else stage.progress
        drawn.add_row(mark, stage.name.replace("_", " "), escape(said), seconds)
    return drawn


def gist(stage: StageRecord) -> str:
    """What a finished stage made, in a few words."""
    result = stage.result if isinstance(stage.result, dict) else {}
    match stage.name:
        case "dataset_version":
            return f"{result['rows']:,} rows, {len(result['kinds'])} columns, version {result['digest'][:12]}"
        case "validation_report":
            return (
                "all rows keep the contract" if not result["bad_rows"] else f"{result['bad_rows']:,} rows in quarantine"
            )
        case "candidate":
            origin = "trained elsewhere" if result["origin"] == "imported" else f"{result['rows']:,} rows"
            return f"{result['task']}, {len(result['features'])} features, {origin}"
        case "champion":
            return f"version {result['version']}" if result else "none yet"
        case "evaluation_report":
            metric = result["metrics"]["candidate"].get(result["metric"])
            return f"{result['metric']} {metric['value']:.4g} on {result['rows']:,} unseen rows" if metric else ""
        case "replay_report":
            said = result["skipped"] or result["impossible"]
            return f"not replayed: {said}" if said else f"{result['rows']:,} captured rows, {result['failed']:,} failed"
        case "gate_decision":
            return "passed" if result["decision"]["passed"] else "refused"
        case "bundle":
            return "as it came" if result["origin"] == "imported" else f"{result['rows']:,} rows"
        case "model_version":
            return f"version {result['number']}"
        case "rollout":
            return str(result["status"])
    return ""


def _tell(platform: Platform, ended: Run, *, as_json: bool) -> None:
    stages = {stage.name: stage.result for stage in platform.journal.stages(ended.id)}
    if as_json:
        answer({"run": to_plain(ended), "stages": stages})
        return
    for name in ("candidate", "evaluation_report", "replay_report"):
        for note in (stages.get(name) or {}).get("notes", ()):
            say(f"  [dim]{escape(note)}[/]")
    if gate := stages.get("gate_decision"):
        reasons(from_plain(gate["decision"], Decision).reasons)
    if ended.status == "succeeded":
        say(f"[bold green]version {stages['model_version']['number']} of {ended.model} passed its gate[/]")
        say("`loopwright up` serves it and watches it; `loopwright status` says how it stands")
    else:
        say(f"[bold red]{ended.status}[/]: {escape(ended.summary)}")
        if ended.fault and ended.fault.remedy:
            say(f"  {escape(ended.fault.remedy)}")
