"""Alerts: one incident, one alert. It opens with the first failure, stays while it lasts, and closes on recovery."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.engine import Connection

from loopwright.core.codec import to_plain
from loopwright.core.event import Event
from loopwright.core.ids import derived_id
from loopwright.monitoring.incidents import News
from loopwright.monitoring.records import Alert, AlertRule
from loopwright.monitoring.store import ALERTS, NOTICES, alert_of
from loopwright.ports.notifier import Notice, Notifier
from loopwright.state.engine import State, insert_once, take_turns
from loopwright.state.outbox import emit

OLD_NEWS = timedelta(days=1)
"""Alerts that closed longer ago than this are not told any more, for instance to a notifier that is new."""


def settle(connection: Connection, model: str, rule: AlertRule, news: News, at: datetime) -> None:
    """Open the rule's alert, unless one is open; or close the one that is."""
    if news is None:
        return
    take_turns(connection, "alerts")
    here = (ALERTS.c.model == model) & (ALERTS.c.rule == rule) & ALERTS.c.closed.is_(None)
    found = connection.execute(select(ALERTS.c.id).where(here)).scalar()
    if isinstance(news, Alert) and found is None:
        if insert_once(connection, ALERTS, to_plain(news) | {"opened": news.opened}):
            _tell(connection, news.id, model, "opened", news.opened, news.title)
    elif isinstance(news, str) and found is not None:
        connection.execute(update(ALERTS).where(ALERTS.c.id == found).values(closed=at, recovery=news))
        _tell(connection, found, model, "closed", at, news)


def tell_alerts(state: State, notifier: Notifier, now: datetime) -> int:
    """Send every notice that this notifier has not had, oldest first; how many were sent.

    Marked after each success: a notice may come twice after a crash, with the same id. Raises what the notifier raises;
    what was not sent is tried again the next time.
    """
    name = type(notifier).__name__
    sent = 0
    for alert in _untold(state, name, now):
        for notice in _notices(alert):
            if not _was_sent(state, notice.id, name):
                notifier.send(notice)
                _mark_sent(state, alert.id, notice.id, name, now)
                sent += 1
    return sent


def _notices(alert: Alert) -> list[Notice]:
    opened = Notice(id=alert.id, severity=alert.severity, title=alert.title, text=alert.text)
    if alert.closed is None:
        return [opened]
    lasted = str(alert.closed - alert.opened).split(".")[0]
    text = f"{alert.recovery} (open for {lasted})"
    return [opened, Notice(id=f"{alert.id}-closed", severity="info", title=f"Recovered: {alert.title}", text=text)]


def _untold(state: State, notifier: str, now: datetime) -> list[Alert]:
    had = select(NOTICES.c.id).where(NOTICES.c.notifier == notifier)
    news = or_(
        ALERTS.c.closed.is_(None) & ALERTS.c.id.not_in(had),
        (ALERTS.c.closed > now - OLD_NEWS) & (ALERTS.c.id + "-closed").not_in(had),
    )
    with state.read() as connection:
        rows = connection.execute(select(ALERTS).where(news).order_by(ALERTS.c.opened, ALERTS.c.id)).mappings()
        return [alert_of(row) for row in rows]


def _was_sent(state: State, notice: str, notifier: str) -> bool:
    here = (NOTICES.c.id == notice) & (NOTICES.c.notifier == notifier)
    with state.read() as connection:
        return connection.execute(select(NOTICES.c.id).where(here)).first() is not None


def _mark_sent(state: State, alert: str, notice: str, notifier: str, now: datetime) -> None:
    with state.write() as connection:
        insert_once(connection, NOTICES, {"id": notice, "notifier": notifier, "sent": now})
        first = (ALERTS.c.id == alert) & ALERTS.c.notified.is_(None)
        connection.execute(update(ALERTS).where(first).values(notified=now))


def _tell(connection: Connection, alert: str, model: str, verb: str, at: datetime, text: str) -> None:
    event_id = derived_id("event", alert, verb)
    emit(connection, Event(id=event_id, kind=f"alert.{verb}", subject=alert, model=model, at=at, data={"text": text}))
