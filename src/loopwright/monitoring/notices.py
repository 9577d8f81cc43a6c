"""What is told of incidents, when, and put together how: pure functions from alerts and silences to notices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from loopwright.core.ids import derived_id
from loopwright.monitoring.records import Alert, Severity, Silence, ToldNotice

OLD_NEWS = timedelta(days=1)
"""Alerts that closed longer ago than this are not told any more; nor are notices sent that are older."""

TOGETHER = timedelta(minutes=2)
"""What opens so soon after a notice of the same model waits, and is told in one with what else comes till then."""

STORM = 3
"""How many models may have news for the same destinations at once and still be told one by one."""

Verb = Literal["opened", "recovered", "over", "still open"]
"""`over`: it had recovered before anybody was told that it opened."""


@dataclass(frozen=True, kw_only=True, slots=True)
class News:
    """What is to be told of one alert."""

    alert: Alert
    verb: Verb


def news_of(alert: Alert, silences: Iterable[Silence], now: datetime) -> News | None:
    """What there is to tell of the alert now.

    A silence holds back what opens in it, and reminders, but no recovery: whoever was told of an incident is told of
    its end. An incident that began and ended in silence is never told; one that outlasts it is told when it ends.
    """
    verb: Verb | None = None
    if alert.closed is None:
        if alert.notified is None:
            verb = "opened"
        elif _is_reminder_due(alert, alert.notified, now):
            verb = "still open"
    elif now - alert.closed < OLD_NEWS:
        if alert.notified is None:
            verb = "over"
        elif alert.recovery_told is None:
            return News(alert=alert, verb="recovered")
    if verb is None or any(one.covers(alert.model, alert.rule, alert.closed or now) for one in silences):
        return None
    return News(alert=alert, verb=verb)


def ready(news: Sequence[News], told: Iterable[Alert], now: datetime) -> list[News]:
    """The news that need not wait for others.

    What opens waits while a notice of its model that was no less severe is younger than `TOGETHER`; the first one of an
    incident goes out at once. `told` are alerts that were told of late.
    """
    loudest: dict[str, int] = {}
    for alert in told:
        if alert.notified is not None and timedelta(0) <= now - alert.notified < TOGETHER:
            loudest[alert.model] = max(loudest.get(alert.model, 0), _rank(alert.severity))
    return [one for one in news if one.verb != "opened" or _rank(one.alert.severity) > loudest.get(one.alert.model, -1)]


def compose(news: Sequence[News], now: datetime, *, link: str = "") -> list[ToldNotice]:
    """One notice for each model and set of destinations; where many models have news at once, one for all of them."""
    by_place: dict[tuple[str, ...], dict[str, list[News]]] = {}
    for one in news:
        by_place.setdefault(one.alert.notify, {}).setdefault(one.alert.model, []).append(one)
    return [
        _notice(group, destinations, now, link)
        for destinations, models in by_place.items()
        for group in _groups(models)
    ]


def evidence_command(alert: Alert) -> str:
    """The command that shows what opened the alert."""
    if alert.rule == "run":
        return f"loopwright runs show {alert.evidence}"
    if alert.rule == "rollout":
        return f"loopwright rollout list {alert.model}"
    if alert.rule == "approval":
        return f"loopwright {'rollout show' if _of_rollout(alert) else 'monitor requests'} {alert.model}"
    return f"loopwright monitor findings {alert.model} --kind {alert.rule}"


def evidence_path(alert: Alert) -> str:
    """Where the control API has it."""
    asked = "rollouts" if _of_rollout(alert) else "retrain-requests"
    folder = {"run": "runs", "rollout": "rollouts", "approval": asked}.get(alert.rule, "findings")
    return f"/api/v1/{folder}/{alert.evidence}"


def _of_rollout(alert: Alert) -> bool:
    return alert.evidence.startswith("rollout-")


def _is_reminder_due(alert: Alert, notified: datetime, now: datetime) -> bool:
    if alert.remind_seconds is None or alert.acknowledged is not None:
        return False
    return (now - (alert.reminded or notified)).total_seconds() >= alert.remind_seconds


def _groups(models: Mapping[str, list[News]]) -> list[list[News]]:
    if len(models) <= STORM:
        return list(models.values())
    return [[one for group in models.values() for one in group]]


def _notice(group: Sequence[News], destinations: tuple[str, ...], now: datetime, link: str) -> ToldNotice:
    open_ones = [one.alert.severity for one in group if one.alert.closed is None]
    return ToldNotice(
        id=derived_id("notice", *(f"{one.alert.id} {one.verb} {one.alert.reminded}" for one in group)),
        severity=max(open_ones, key=_rank, default="info"),
        title=_title(group),
        text="\n\n".join(_paragraph(one, link, alone=len(group) == 1) for one in group),
        made=now,
        alerts=tuple(dict.fromkeys(one.alert.id for one in group)),
        destinations=destinations,
    )


def _title(group: Sequence[News]) -> str:
    if len(group) == 1:
        return _headline(group[0])
    rules = ", ".join(dict.fromkeys(one.alert.rule for one in group))
    counts = {
        "opened": sum(one.verb == "opened" for one in group),
        "still open": sum(one.verb == "still open" for one in group),
        "over": sum(one.alert.closed is not None for one in group),
    }
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    models = list(dict.fromkeys(one.alert.model for one in group))
    who = models[0] if len(models) == 1 else f"{len(models)} models"
    return f"{who}: {len(group)} alerts ({said}): {rules}"


def _headline(one: News) -> str:
    before = {"opened": "", "recovered": "Recovered: ", "over": "Over already: ", "still open": "Still open: "}
    return before[one.verb] + one.alert.title


def _paragraph(one: News, link: str, *, alone: bool) -> str:
    alert = one.alert
    said = [] if alone else [f"[{alert.severity if alert.closed is None else 'recovered'}] {_headline(one)}"]
    said.append(alert.text if alert.closed is None else f"{alert.recovery} (open for {lasted(alert, alert.closed)})")
    if one.verb != "recovered":
        said.append(f"{alert.evidence}: {evidence_command(alert)}")
        said += [link.rstrip("/") + evidence_path(alert)] if link else []
    if alert.closed is None:
        said.append(f"{alert.id}: loopwright monitor ack {alert.id}")
    return "\n".join(said)


def lasted(alert: Alert, until: datetime) -> str:
    """How long the alert was open until then, such as `1 day, 2:30:00`."""
    return str(timedelta(seconds=round((until - alert.opened).total_seconds())))


def _rank(severity: Severity) -> int:
    return get_args(Severity).index(severity)
