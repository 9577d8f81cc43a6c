"""`loopwright monitor alerts` and what belongs to them: acknowledge, silence, and what was told to whom."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from cyclopts import Parameter

from loopwright.bootstrap.known import known_here
from loopwright.cli.output import Common, Limit, answer, say, table
from loopwright.core.clock import parse_duration
from loopwright.core.codec import to_plain
from loopwright.errors import RequestError
from loopwright.monitoring.notices import evidence_command
from loopwright.monitoring.records import ANY, Alert, Delivery, RuleName, Silence


def alerts(
    model: str | None = None,
    *,
    only_open: Annotated[bool, Parameter(name="--open", negative="", help="Only those that are not over.")] = False,
    limit: Limit = 20,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Show incidents, newest first, and the command that shows what opened each."""
    platform = common.platform()
    found = platform.alerting.alerts(known_here(platform, model), open_only=only_open, limit=limit)
    if common.json:
        answer(to_plain(found))
        return 0
    now, silences = platform.clock.now(), platform.alerting.silences()
    table(
        ("alert", "opened", "stands", "severity", "what", "why", "evidence"),
        (
            (
                one.id,
                _moment(one.opened),
                _stands(one, silences, now),
                one.severity,
                one.title,
                one.recovery or one.text,
                evidence_command(one),
            )
            for one in found
        ),
        none=f"no {'open ' if only_open else ''}alert{_whose(model)}",
    )
    return 0


def ack(
    alert: str,
    *,
    because: Annotated[str, Parameter(help="What is being done about it.")] = "",
    common: Common = Common(),  # noqa: B008
) -> int:
    """Write down that you see to ALERT: nobody is reminded of it any more."""
    platform = common.platform()
    found = platform.alerting.acknowledge(alert, actor=platform.actor, reason=because)
    if common.json:
        answer(to_plain(found))
    else:
        say(f"{found.title}: {found.acknowledged_by} sees to it")
    return 0


def silence(
    model: str,
    *,
    because: Annotated[str, Parameter(help="Why; others will wonder.")],
    rule: Annotated[RuleName | None, Parameter(help="Only alerts of this rule; without it, of all.")] = None,
    length: Annotated[str, Parameter(name="--for", help="How long, such as 30m, 2h or 1d.")] = "2h",
    common: Common = Common(),  # noqa: B008
) -> int:
    """Tell nobody of MODEL's alerts for a while ('*': of any model's); what is still open then is told then."""
    platform = common.platform()
    try:
        duration = parse_duration(length)
    except ValueError as error:
        raise RequestError(str(error), remedy="for example --for 2h") from None
    name = model if model == ANY else platform.project.model(model).name
    made = platform.alerting.silence(name, rule, length=duration, actor=platform.actor, reason=because)
    if common.json:
        answer(to_plain(made))
    else:
        say(f"{made.id}: {_of(made)}, until {_moment(made.until)} UTC")
        say(f"  `loopwright monitor lift {made.id}` ends it sooner")
    return 0


def silences(
    model: str | None = None,
    *,
    all_: Annotated[bool, Parameter(name="--all", negative="", help="Those that are over, too.")] = False,
    limit: Limit = 20,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Show what nobody is told of, until when, by whose word and why."""
    platform = common.platform()
    of = model if model == ANY else known_here(platform, model)
    found = platform.alerting.silences(of, all_=all_, limit=limit)
    if common.json:
        answer(to_plain(found))
        return 0
    table(
        ("silence", "of", "since", "until", "who", "why", "lifted"),
        (
            (
                one.id,
                _of(one),
                _moment(one.since),
                _moment(one.until),
                one.actor,
                one.reason,
                f"{_moment(one.lifted)} by {one.lifted_by}" if one.lifted else "",
            )
            for one in found
        ),
        none=f"no silence{_whose(model)}{'' if all_ else ' is in force'}",
    )
    return 0


def lift(silence: str, *, common: Common = Common()) -> int:  # noqa: B008
    """End SILENCE now: what is open is told."""
    platform = common.platform()
    lifted = platform.alerting.lift(silence, actor=platform.actor)
    if common.json:
        answer(to_plain(lifted))
    else:
        say(f"{lifted.id} is lifted: {_of(lifted)} are told again")
    return 0


def notices(*, limit: Limit = 20, common: Common = Common()) -> int:  # noqa: B008
    """Show what was told, newest first, and how it got to each destination."""
    found = common.platform().alerting.notices(limit)
    if common.json:
        answer(to_plain(found))
        return 0
    table(
        ("notice", "written", "severity", "what", "destinations"),
        (
            (one.id, _moment(one.made), one.severity, one.title, "; ".join(map(_delivered, one.deliveries)))
            for one in found
        ),
        none="nobody was told of anything yet",
    )
    return 0


def _stands(alert: Alert, silences: list[Silence], now: datetime) -> str:
    if alert.closed is not None:
        return f"closed {_moment(alert.closed)}"
    quiet = next((one for one in silences if one.covers(alert.model, alert.rule, now)), None)
    said = [f"silenced until {_moment(quiet.until)}"] if quiet else []
    said += [f"{alert.acknowledged_by} sees to it"] if alert.acknowledged else []
    return ", ".join(("open", *said))


def _whose(model: str | None) -> str:
    return "" if model in (None, ANY) else f" of {model}"


def _of(silence: Silence) -> str:
    who = "every model" if silence.model == ANY else silence.model
    return f"alerts of {who}" + (f" on {silence.rule}" if silence.rule else "")


def _delivered(delivery: Delivery) -> str:
    if delivery.sent is not None:
        return f"{delivery.destination} {_moment(delivery.sent)}"
    return f"{delivery.destination}: {delivery.trouble} (tried {delivery.attempts} times)"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
