"""`loopwright status`: what is live, what is under way, what went wrong."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number
from rich.markup import escape

from loopwright.cli.output import Common, answer, say, table
from loopwright.core.codec import to_plain
from loopwright.rollout import ledger
from loopwright.traffic.records import EndpointRevision


def status(
    *,
    runs: Annotated[int, Parameter(help="How many of the latest runs to show.", validator=Number(gte=1))] = 5,
    common: Common = Common(),  # noqa: B008 - a frozen record of defaults
) -> int:
    """Show endpoints with their variants, rollouts under way, requests that wait, the latest runs, alerts."""
    platform = common.platform()
    live = [one for name in ledger.endpoints(platform.storage) if (one := ledger.newest(platform.storage, name))]
    rollouts = platform.rollouts.rollouts(statuses=("running", "awaiting_approval"))
    latest = platform.journal.runs(limit=runs)
    alerts = platform.alerting.alerts(open_only=True)
    silences, undelivered = platform.alerting.silences(), platform.alerting.undelivered()
    waiting = platform.retraining.requests(statuses=("open",))
    platform.close()
    if common.json:
        told = {"alerts": alerts, "silences": silences, "undelivered": undelivered}
        answer(to_plain({"endpoints": live, "rollouts": rollouts, "runs": latest, "requests": waiting} | told))
        return 0
    if not live and not latest:
        say("nothing has run yet: `loopwright run` turns the loop once")
        return 0
    if live:
        _endpoints(live)
    for rollout in rollouts:
        said = "; ".join(reason.text for reason in rollout.reasons)
        if rollout.status == "awaiting_approval":
            waits = f"waits for a person: `loopwright rollout approve {rollout.model}`"
            say(f"[cyan]{rollout.model} v{rollout.version}[/] {waits} {escape(said)}".rstrip())
        else:
            say(f"[cyan]{rollout.model} v{rollout.version}[/] running, step {rollout.step + 1}: {escape(said)}")
    for request in waiting:
        say(f"[cyan]{request.id}[/] to retrain {request.model} {escape(request.why())}")
    table(
        ("run", "model", "status", "cause", "what came of it"),
        ((one.id, one.model, one.status, one.cause, one.summary) for one in latest),
    )
    for alert in alerts:
        by = f", {escape(alert.acknowledged_by)} sees to it" if alert.acknowledged else ""
        say(f"[yellow]{alert.severity}[/] {alert.title}: {escape(alert.text)}{by}")
    for silence in silences:
        rule = f", {silence.rule}" if silence.rule else ""
        say(f"[cyan]silence[/] of {silence.model}{rule} until {silence.until:%Y-%m-%d %H:%M}: {escape(silence.reason)}")
    for late in {one.destination: one for one in undelivered}.values():
        say(f"[red]not told[/] {escape(late.destination)}: {escape(late.trouble)}")
    return 0


def _endpoints(live: list[EndpointRevision]) -> None:
    table(
        ("endpoint", "revision", "serves", "since"),
        (
            (
                one.endpoint,
                one.number,
                ", ".join(f"{variant.name} v{variant.version} {variant.weight} %" for variant in one.variants),
                f"{one.at:%Y-%m-%d %H:%M}",
            )
            for one in live
        ),
    )
    say()
