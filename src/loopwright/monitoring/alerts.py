"""Alerts in the database: signals are counted once each, and open or close the one alert that a rule may have."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.engine import Connection

from loopwright.core.clock import parse_duration
from loopwright.core.codec import to_plain
from loopwright.core.event import Event
from loopwright.core.ids import derived_id
from loopwright.monitoring.incidents import Signal, Streak, counted, finding_signal, turn
from loopwright.monitoring.records import Alert, RuleName, Severity
from loopwright.monitoring.store import ALERTS, FINDINGS, STREAKS, alert_of, finding_of
from loopwright.policies.alerts import Alerts
from loopwright.state.engine import State, insert_once, take_turns
from loopwright.state.outbox import emit


def settle(connection: Connection, signal: Signal, alerts: Alerts) -> None:
    """Count the signal, unless it was counted last; open the rule's alert, or close the one that is open."""
    take_turns(connection, "alerts")
    rule = getattr(alerts, signal.rule)
    streak, found = _streak(connection, signal.model, signal.rule), _open(connection, signal.model, signal.rule)
    if rule.severity == "off" or streak.last == signal.key:
        return
    streak = counted(streak, signal)
    _keep_streak(connection, signal.model, signal.rule, streak)
    step = turn(streak, rule, is_open=found is not None)
    if step == "open":
        _open_alert(connection, signal, alerts, rule.severity or signal.severity)
    elif step == "close" and found is not None:
        close(connection, found, signal.at, signal.text)


def settle_findings(state: State, model: str, alerts: Alerts) -> None:
    """Tell the rules of every finding of the model that they have not seen, oldest window first."""
    unseen = (FINDINGS.c.model == model) & FINDINGS.c.settled.is_(False)
    query = select(FINDINGS).where(unseen).order_by(FINDINGS.c.window_end, FINDINGS.c.id)
    with state.read() as connection:
        found = [finding_of(row) for row in connection.execute(query).mappings()]
    for finding in found:
        with state.write() as connection:
            mine = update(FINDINGS).where(FINDINGS.c.id == finding.id, FINDINGS.c.settled.is_(False))
            signal = finding_signal(finding)
            if connection.execute(mine.values(settled=True)).rowcount and signal is not None:
                settle(connection, signal, alerts)


def restless(state: State, model: str) -> set[str]:
    """The rules for which a good window is news: an alert is open, bad windows are counted, or one is not seen yet."""
    of_model = (
        select(ALERTS.c.rule).where(ALERTS.c.model == model, ALERTS.c.closed.is_(None)),
        select(STREAKS.c.rule).where(STREAKS.c.model == model, STREAKS.c.failing > 0),
        select(FINDINGS.c.kind).where(
            FINDINGS.c.model == model, FINDINGS.c.settled.is_(False), FINDINGS.c.passed.is_(False)
        ),
    )
    with state.read() as connection:
        return {str(rule) for query in of_model for rule in connection.execute(query).scalars()}


def was_counted(state: State, signal: Signal) -> bool:
    """Whether this signal is the one that its rule has counted last."""
    with state.read() as connection:
        return _streak(connection, signal.model, signal.rule).last == signal.key


def close(connection: Connection, alert: Alert, at: datetime, recovery: str) -> None:
    """End an open alert."""
    closing = update(ALERTS).where(ALERTS.c.id == alert.id, ALERTS.c.closed.is_(None))
    if connection.execute(closing.values(closed=max(at, alert.opened), recovery=recovery)).rowcount:
        emit_alert(connection, alert, "closed", at, recovery)


def emit_alert(connection: Connection, alert: Alert, verb: str, at: datetime, text: str, actor: str = "") -> None:
    """Write down what became of the alert."""
    data = {"text": text} | ({"actor": actor} if actor else {})
    event_id = derived_id("event", alert.id, verb)
    emit(connection, Event(id=event_id, kind=f"alert.{verb}", subject=alert.id, model=alert.model, at=at, data=data))


def close_pointless(state: State, model: str, alerts: Alerts, champion: int | None, at: datetime) -> None:
    """End alerts about versions that are champion no more, and those of rules that were turned off."""
    query = select(ALERTS).where(ALERTS.c.model == model, ALERTS.c.closed.is_(None))
    with state.read() as connection:
        found = [alert_of(row) for row in connection.execute(query).mappings()]
    for alert in found:
        said = _pointless(alert, alerts, champion)
        if said:
            with state.write() as connection:
                take_turns(connection, "alerts")
                close(connection, alert, at, said)
                _keep_streak(connection, model, alert.rule, replace(_streak(connection, model, alert.rule), failing=0))


def _pointless(alert: Alert, alerts: Alerts, champion: int | None) -> str:
    if getattr(alerts, alert.rule).severity == "off":
        return f"the rule {alert.rule} was turned off"
    if champion is not None and alert.version not in (None, champion):
        return f"version {champion} has taken over from version {alert.version}"
    return ""


def _open_alert(connection: Connection, signal: Signal, alerts: Alerts, severity: Severity) -> None:
    alert = Alert(
        id=derived_id("alert", signal.key, signal.rule),
        model=signal.model,
        rule=signal.rule,
        severity=severity,
        title=signal.title,
        text=signal.text,
        evidence=signal.evidence,
        opened=signal.at,
        version=signal.version,
        notify=getattr(alerts, severity),
        remind_seconds=parse_duration(alerts.remind).total_seconds() if alerts.remind else None,
    )
    if insert_once(connection, ALERTS, to_plain(alert) | {"opened": alert.opened}):
        emit_alert(connection, alert, "opened", alert.opened, alert.title)


def _open(connection: Connection, model: str, rule: RuleName) -> Alert | None:
    here = (ALERTS.c.model == model) & (ALERTS.c.rule == rule) & ALERTS.c.closed.is_(None)
    row = connection.execute(select(ALERTS).where(here)).mappings().first()
    return alert_of(row) if row is not None else None


def _streak(connection: Connection, model: str, rule: RuleName) -> Streak:
    here = (STREAKS.c.model == model) & (STREAKS.c.rule == rule)
    row = connection.execute(select(STREAKS).where(here)).mappings().first()
    return Streak(**{name: row[name] for name in ("failing", "passing", "version", "last")}) if row else Streak()


def _keep_streak(connection: Connection, model: str, rule: RuleName, streak: Streak) -> None:
    values = to_plain(streak)
    if not insert_once(connection, STREAKS, {"model": model, "rule": rule, **values}):
        here = (STREAKS.c.model == model) & (STREAKS.c.rule == rule)
        connection.execute(update(STREAKS).where(here).values(**values))
