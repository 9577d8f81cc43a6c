"""`loopwright rollout`: look at rollouts and endpoints, and step in by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.markup import escape

from loopwright.bootstrap.known import known_here, unknown
from loopwright.bootstrap.platform import Platform
from loopwright.bootstrap.shadows import shadow_comparison
from loopwright.cli.output import Common, answer, say, table
from loopwright.core.codec import to_plain
from loopwright.errors import NotFoundError
from loopwright.monitoring.shadow_page import (
    DIFFERENCE_HEADS,
    METRIC_HEADS,
    SIDE_HEADS,
    difference_rows,
    headline,
    metric_rows,
    side_rows,
)
from loopwright.rollout import ledger
from loopwright.rollout.records import Rollout
from loopwright.traffic.records import EndpointRevision

app = App(name="rollout", help="Look at rollouts and endpoints, and step in by hand.")

Why = Annotated[str, Parameter(help="The reason, kept in the ledger.")]


@app.command(name="list")
def list_rollouts(model: str | None = None, *, common: Common = Common()) -> int:  # noqa: B008
    """Show rollouts, newest first."""
    platform = common.platform()
    rollouts = platform.rollouts.rollouts(model=known_here(platform, model))
    if common.json:
        answer(to_plain(rollouts))
        return 0
    table(
        ("rollout", "model", "version", "replaces", "status", "step", "why"),
        (
            (
                one.id,
                one.model,
                f"v{one.version}",
                f"v{one.champion}" if one.champion else "-",
                one.status,
                _step(one),
                _why(one),
            )
            for one in rollouts
        ),
        none=f"{'no model' if model is None else model} has had {'a' if model is None else 'no'} rollout yet",
    )
    return 0


@app.command(name="show")
def show_rollout(model: str, *, common: Common = Common()) -> int:  # noqa: B008
    """Show MODEL's newest rollout: where it stands, what was looked at, and what is still missing."""
    platform = common.platform()
    newest = platform.rollouts.rollouts(model=known_here(platform, model), limit=1)
    if not newest:
        raise NotFoundError(f"{model} has had no rollout", remedy=f"`loopwright run {model}` ends by asking for one")
    (rollout,) = newest
    if common.json:
        answer(to_plain(rollout))
        return 0
    say(f"{rollout.model} version {rollout.version}: {rollout.status}, {rollout.plan.strategy}, {_step(rollout)}")
    if rollout.status == "awaiting_approval":
        say(f"it waits for a person: `loopwright rollout approve {rollout.model}`")
    if rollout.reasons:
        table(("rule", "says", "because"), ((one.rule, one.finding, one.text) for one in rollout.reasons))
    return 0


@app.command
def promote(model: str, *, reason: Why = "promoted by hand", common: Common = Common()) -> int:  # noqa: B008
    """End MODEL's rollout now, with its version as champion."""
    platform = common.platform()
    return _said(platform.rollouts.promote(model, actor=platform.actor, reason=reason), common)


@app.command
def abort(model: str, *, reason: Why = "aborted by hand", common: Common = Common()) -> int:  # noqa: B008
    """End MODEL's rollout now; the champion takes all traffic again."""
    platform = common.platform()
    return _said(platform.rollouts.abort(model, actor=platform.actor, reason=reason), common)


@app.command
def rollback(model: str, *, reason: Why = "rolled back by hand", common: Common = Common()) -> int:  # noqa: B008
    """Make the champion before this one champion again."""
    platform = common.platform()
    known_here(platform, model)
    revision = platform.rollouts.rollback(model, actor=platform.actor, reason=reason)
    if common.json:
        answer(to_plain(revision))
    else:
        say(f"{model} serves version {revision.variants[0].version} again (revision {revision.number})")
    return 0


@app.command
def shadow(
    model: str,
    version: int,
    *,
    share: Annotated[int, Parameter(help="How many percent of the requests it gets a copy of; 0 ends it.")] = 100,
    reason: Why = "shadowed by hand",
    common: Common = Common(),  # noqa: B008
) -> int:
    """Let VERSION of MODEL predict copies of the answered requests; nobody gets its answers."""
    platform = common.platform()
    found = platform.registry.get(model, version)
    revision = platform.rollouts.shadow(found, share=share, actor=platform.actor, reason=reason)
    if common.json:
        answer(to_plain(revision))
    else:
        say(f"{model} serves {_serves(revision)} (revision {revision.number})")
    return 0


@app.command
def compare(
    model: str,
    *,
    version: Annotated[int | None, Parameter(help="The shadow; without it, the one that predicted last.")] = None,
    since: Annotated[str, Parameter(help="How far to look back, such as 12h, 7d or 4w.")] = "1d",
    by: Annotated[
        tuple[str, ...], Parameter(negative="", help="A column to part rows by; else the declared slices.")
    ] = (),
    output: Annotated[Path | None, Parameter(help="Also write a page (.html) or a picture (.png).")] = None,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Hold what a shadow of MODEL predicted against the answers that were given, row by row."""
    platform = common.platform()
    known_here(platform, model)
    found = shadow_comparison(platform, model, since=since, version=version, by=by, output=output)
    if common.json:
        answer(to_plain(found))
        return 0
    say(escape(headline(found)))
    for note in found.notes:
        say(f"  {escape(note)}")
    if rows := difference_rows(found):
        table(DIFFERENCE_HEADS, rows)
    if found.metrics:
        say(f"\non {found.outcomes:,} rows whose outcome is known")
        table(METRIC_HEADS, metric_rows(found))
    say()
    table(SIDE_HEADS, side_rows(found))
    if output is not None:
        say(escape(f"\nwritten to {output}"))
    return 0


@app.command
def approve(model: str, *, common: Common = Common()) -> int:  # noqa: B008
    """Let MODEL's rollout go on, which waits for a person: begin, or after a shadow make its version champion."""
    platform = common.platform()
    waiting = platform.rollouts.active(model)
    if waiting is None:
        raise NotFoundError(f"no rollout of {model} waits for a person", remedy="`loopwright rollout list` shows them")
    return _said(platform.rollouts.approve(waiting.id, actor=platform.actor), common)


@app.command(name="ledger")
def show_ledger(endpoint: str, *, common: Common = Common()) -> int:  # noqa: B008
    """Show every revision of ENDPOINT: what it should serve, who said so and why."""
    platform = common.platform()
    revisions = ledger.chain(platform.storage, _endpoint(platform, endpoint))
    if common.json:
        answer(to_plain(revisions))
        return 0
    table(
        ("revision", "at", "serves", "who", "why"),
        ((one.number, f"{one.at:%Y-%m-%d %H:%M:%S}", _serves(one), one.actor, one.reason) for one in revisions),
        none=f"{endpoint} has served nothing yet",
    )
    return 0


@app.command
def verify(endpoint: str | None = None, *, common: Common = Common()) -> int:  # noqa: B008
    """Check that every revision names the one before it; ends with 1 where one was changed or is gone."""
    platform = common.platform()
    storage = platform.storage
    names = [_endpoint(platform, endpoint)] if endpoint else ledger.endpoints(storage)
    faults = {name: ledger.verify(storage, name) for name in names}
    if common.json:
        answer(faults)
    else:
        for name, found in faults.items():
            say(f"{name}: {'; '.join(found) or _sound(ledger.length(storage, name))}")
        if not faults:
            say("no endpoint has served anything yet")
    return 1 if any(faults.values()) else 0


def _endpoint(platform: Platform, name: str) -> str:
    """`name`, of an endpoint, or of a model that will have one. Raises `NotFoundError`."""
    endpoints = ledger.endpoints(platform.storage)
    try:
        return name if name in endpoints else str(known_here(platform, name))
    except NotFoundError:
        raise unknown("endpoint", name, endpoints) from None


def _sound(revisions: int) -> str:
    return f"sound, up to revision {revisions}" if revisions else "has served nothing yet"


def _said(rollout: Rollout, common: Common) -> int:
    if common.json:
        answer(to_plain(rollout))
    else:
        say(f"{rollout.model} version {rollout.version}: {rollout.status}")
    return 0


def _step(rollout: Rollout) -> str:
    steps = rollout.plan.steps
    return f"{steps[rollout.step]} % ({rollout.step + 1} of {len(steps)})" if 0 <= rollout.step < len(steps) else "-"


def _why(rollout: Rollout) -> str:
    """What stopped it; else what was said last."""
    failed = [reason.text for reason in rollout.reasons if reason.finding == "fail"]
    return "; ".join(failed or [reason.text for reason in rollout.reasons][-1:])


def _serves(revision: EndpointRevision) -> str:
    """The variants; of a shadow, how many of the requests are copied to it."""
    return ", ".join(f"{one.name} v{one.version} {one.weight} %" for one in revision.variants)
