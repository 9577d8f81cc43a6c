"""Telling: notices are written down once, then brought to each destination, which knows nothing of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.engine import Connection

from loopwright.errors import LoopwrightError
from loopwright.monitoring.notices import OLD_NEWS, TOGETHER, News, compose, news_of, ready
from loopwright.monitoring.records import Alert, Delivery, ToldNotice
from loopwright.monitoring.store import ALERTS, DELIVERIES, NOTICES, SILENCES, alert_of, notice_of, silence_of
from loopwright.ports.notifier import Notice, Notifier
from loopwright.state.engine import State, insert_once, take_turns

LOG = "log"
"""The destination that is told of everything."""

FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=10)
"""How long a destination that refused is left alone: twice as long each time."""

PATIENCE = 3
"""After so many refusals of one notice, later ones no longer wait for it."""


def write_notices(state: State, now: datetime, link: str) -> list[ToldNotice]:
    """Put what is news into notices, and remember that it is told: both, or neither."""
    with state.read() as connection:
        if not _news(connection, now):
            return []
    with state.write() as connection:
        take_turns(connection, "alerts")
        found = _news(connection, now)
        notices = compose(found, now, link=link)
        for notice in notices:
            insert_once(connection, NOTICES, {column.name: getattr(notice, column.name) for column in NOTICES.columns})
        for one in found:
            told = {"opened": ("notified",), "recovered": ("recovery_told",), "over": ("notified", "recovery_told")}
            values = dict.fromkeys(told.get(one.verb, ("reminded",)), now)
            connection.execute(update(ALERTS).where(ALERTS.c.id == one.alert.id).values(**values))
    return notices


def deliver(state: State, destinations: Mapping[str, Notifier], now: datetime) -> int:
    """Send each destination what it has not had, oldest first; how many notices went out.

    Marked after each success: a notice may come twice after a crash, with the same id. A destination that refuses keeps
    no other waiting, and is left alone for a while. Raises `LoopwrightError` at the end where one did just now.
    """
    sent, troubles = 0, []
    for name, pending in _pending(state, destinations, now).items():
        for notice, before in pending:
            if _rests(before, now):
                if before.attempts < PATIENCE:
                    break
                continue
            after = _attempt(destinations.get(name), notice, before, now)
            _keep(state, after)
            if after.trouble:
                troubles.append(f"{name}: {after.trouble}")
                break
            sent += 1
    if troubles:
        raise LoopwrightError(
            f"notices were not delivered to {'; '.join(troubles)}",
            remedy="check that destination in the setting `notify`; they are sent again",
        )
    return sent


def told_notices(state: State, since: datetime | None = None, limit: int = 1000) -> list[ToldNotice]:
    """Notices with their deliveries, newest first."""
    query = select(NOTICES).order_by(NOTICES.c.made.desc(), NOTICES.c.id).limit(limit)
    if since is not None:
        query = query.where(NOTICES.c.made > since)
    with state.read() as connection:
        rows = connection.execute(query).mappings().all()
        made = select(DELIVERIES).where(DELIVERIES.c.notice.in_([row["id"] for row in rows]))
        deliveries: dict[str, list[Delivery]] = {}
        for row in connection.execute(made.order_by(DELIVERIES.c.destination)).mappings():
            deliveries.setdefault(row["notice"], []).append(Delivery(**row))
    return [notice_of(row, tuple(deliveries.get(row["id"], ()))) for row in rows]


def _news(connection: Connection, now: datetime) -> list[News]:
    a_while_ago = now - OLD_NEWS
    waiting = or_(
        ALERTS.c.closed.is_(None) & ALERTS.c.notified.is_(None),
        ALERTS.c.closed.is_(None) & ALERTS.c.remind_seconds.is_not(None) & ALERTS.c.acknowledged.is_(None),
        (ALERTS.c.closed > a_while_ago) & ALERTS.c.recovery_told.is_(None),
    )
    alerts = _alerts(connection, waiting)
    if not alerts:
        return []
    query = select(SILENCES).where(SILENCES.c.since <= now, SILENCES.c.until > a_while_ago)
    silences = [silence_of(row) for row in connection.execute(query).mappings()]
    found = [news for alert in alerts if (news := news_of(alert, silences, now)) is not None]
    return ready(found, _alerts(connection, ALERTS.c.notified > now - TOGETHER), now)


def _alerts(connection: Connection, condition: ColumnElement[bool]) -> list[Alert]:
    query = select(ALERTS).where(condition).order_by(ALERTS.c.opened, ALERTS.c.id)
    return [alert_of(row) for row in connection.execute(query).mappings()]


def _pending(
    state: State, destinations: Mapping[str, Notifier], now: datetime
) -> dict[str, list[tuple[ToldNotice, Delivery]]]:
    """What each destination has not had, oldest first, and how often that was tried."""
    pending: dict[str, list[tuple[ToldNotice, Delivery]]] = {}
    for notice in reversed(told_notices(state, now - OLD_NEWS)):
        had = {one.destination: one for one in notice.deliveries}
        for name in dict.fromkeys((LOG, *(notice.destinations or destinations))):
            delivery = had.get(name) or Delivery(notice=notice.id, destination=name)
            if delivery.sent is None and (name != LOG or LOG in destinations):
                pending.setdefault(name, []).append((notice, delivery))
    return pending


def _rests(delivery: Delivery, now: datetime) -> bool:
    """Whether the destination refused this notice so lately that it is not asked again yet."""
    if delivery.tried is None:
        return False
    wait = min(FIRST_WAIT * 2.0 ** min(delivery.attempts - 1, 20), LONGEST_WAIT)
    since = now - delivery.tried
    return timedelta(0) <= since < wait


def _attempt(notifier: Notifier | None, notice: ToldNotice, before: Delivery, now: datetime) -> Delivery:
    after = replace(before, attempts=before.attempts + 1, tried=now, trouble="")
    if notifier is None:
        return replace(after, trouble="the setting `notify` names no such destination")
    sending = Notice(id=notice.id, severity=notice.severity, title=notice.title, text=notice.text, alerts=notice.alerts)
    try:
        notifier.send(sending)
    except LoopwrightError as refusal:
        return replace(after, trouble=refusal.message)
    return replace(after, sent=now)


def _keep(state: State, delivery: Delivery) -> None:
    values = {name: getattr(delivery, name) for name in Delivery.__slots__}
    here = (DELIVERIES.c.notice == delivery.notice) & (DELIVERIES.c.destination == delivery.destination)
    with state.write() as connection:
        if not insert_once(connection, DELIVERIES, values):
            connection.execute(update(DELIVERIES).where(here, DELIVERIES.c.sent.is_(None)).values(**values))
