"""Alerting: look at incidents, silence and acknowledge them, and tell people of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import select, update

from loopwright.core.clock import Clock
from loopwright.core.codec import to_plain
from loopwright.core.ids import new_id
from loopwright.errors import ConflictError, NotFoundError, RequestError
from loopwright.monitoring.alerts import emit_alert
from loopwright.monitoring.notices import OLD_NEWS
from loopwright.monitoring.records import ANY, Alert, Delivery, RuleName, Silence, ToldNotice
from loopwright.monitoring.store import ALERTS, SILENCES, alert_of, silence_of
from loopwright.monitoring.telling import deliver, told_notices, write_notices
from loopwright.ports.notifier import Notifier
from loopwright.state.engine import State


class Alerting:
    """What is told of a project's incidents. `link` is where people reach the control API; empty: nowhere."""

    def __init__(self, state: State, clock: Clock, *, link: str = "") -> None:
        self.state, self.clock, self.link = state, clock, link

    # Asking

    def alerts(self, model: str | None = None, *, open_only: bool = False, limit: int = 50) -> list[Alert]:
        """Alerts, newest first."""
        query = select(ALERTS).order_by(ALERTS.c.opened.desc(), ALERTS.c.id.desc()).limit(limit)
        if model is not None:
            query = query.where(ALERTS.c.model == model)
        if open_only:
            query = query.where(ALERTS.c.closed.is_(None))
        with self.state.read() as connection:
            return [alert_of(row) for row in connection.execute(query).mappings()]

    def get(self, alert_id: str) -> Alert:
        """Raises `NotFoundError`."""
        with self.state.read() as connection:
            row = connection.execute(select(ALERTS).where(ALERTS.c.id == alert_id)).mappings().first()
        if row is None:
            raise NotFoundError(f"there is no alert {alert_id}", remedy="`loopwright monitor alerts` shows them")
        return alert_of(row)

    def silences(self, model: str | None = None, *, all_: bool = False, limit: int = 50) -> list[Silence]:
        """Silences in force, newest first; with `all_` also those that are over. Those of every model are any one's."""
        query = select(SILENCES).order_by(SILENCES.c.since.desc(), SILENCES.c.id.desc()).limit(limit)
        if model is not None:
            query = query.where(SILENCES.c.model.in_((model, ANY)))
        if not all_:
            query = query.where(SILENCES.c.until > self.clock.now(), SILENCES.c.lifted.is_(None))
        with self.state.read() as connection:
            return [silence_of(row) for row in connection.execute(query).mappings()]

    def notices(self, limit: int = 50) -> list[ToldNotice]:
        """What was told, newest first, and how it got to each destination."""
        return told_notices(self.state, limit=limit)

    def undelivered(self) -> list[Delivery]:
        """What a destination has refused and not taken since, of the last day's notices; oldest first."""
        recent = told_notices(self.state, self.clock.now() - OLD_NEWS)
        return [one for notice in reversed(recent) for one in notice.deliveries if one.sent is None]

    # Ordering

    def silence(
        self, model: str, rule: RuleName | None = None, *, length: timedelta, actor: str, reason: str
    ) -> Silence:
        """Tell nobody of the model's alerts (`ANY`: of any) of that rule (None: of any) from now on for `length`.

        Raises `RequestError` without a reason, or without a length.
        """
        if not reason.strip():
            raise RequestError(f"a silence of {model} needs a reason", remedy="say why: others will wonder")
        if length <= timedelta(0):
            raise RequestError(f"a silence of {model} would last {length}", remedy="give it some time, such as 2h")
        now = self.clock.now()
        made = Silence(
            id=new_id("silence", now),
            model=model,
            rule=rule,
            since=now,
            until=now + length,
            actor=actor,
            reason=reason,
        )
        with self.state.write() as connection:
            connection.execute(SILENCES.insert().values(to_plain(made) | {"since": now, "until": made.until}))
        return made

    def lift(self, silence_id: str, *, actor: str) -> Silence:
        """End a silence now: what is open is told. Raises `NotFoundError`, and `ConflictError` where it is over."""
        now = self.clock.now()
        here = (SILENCES.c.id == silence_id) & SILENCES.c.lifted.is_(None) & (SILENCES.c.until > now)
        with self.state.write() as connection:
            changed = connection.execute(update(SILENCES).where(here).values(lifted=now, lifted_by=actor)).rowcount
            row = connection.execute(select(SILENCES).where(SILENCES.c.id == silence_id)).mappings().first()
        if row is None:
            raise NotFoundError(
                f"there is no silence {silence_id}", remedy="`loopwright monitor silences` shows those in force"
            )
        if not changed:
            raise ConflictError(f"silence {silence_id} is over already", remedy="nothing was changed")
        return silence_of(row)

    def acknowledge(self, alert_id: str, *, actor: str, reason: str = "") -> Alert:
        """Write down that somebody sees to the alert: nobody is reminded of it any more.

        Raises `NotFoundError`, and `ConflictError` where somebody did before, or where it is over.
        """
        alert, now = self.get(alert_id), self.clock.now()
        here = (ALERTS.c.id == alert_id) & ALERTS.c.closed.is_(None) & ALERTS.c.acknowledged.is_(None)
        values = {"acknowledged": now, "acknowledged_by": actor, "acknowledged_because": reason}
        with self.state.write() as connection:
            if connection.execute(update(ALERTS).where(here).values(**values)).rowcount == 0:
                by = alert.acknowledged_by
                why = f"was acknowledged by {by} before" if by else "is over"
                raise ConflictError(f"alert {alert_id} {why}", remedy="nothing was changed")
            emit_alert(connection, alert, "acknowledged", now, reason, actor)
        return self.get(alert_id)

    # Telling

    def tell(self, destinations: Mapping[str, Notifier]) -> int:
        """Write what is news into notices, and bring each destination, by its name, what it has not had; how many went.

        Raises `LoopwrightError` at the end where a destination refused; it is asked again later.
        """
        now = self.clock.now()
        write_notices(self.state, now, self.link)
        return deliver(self.state, destinations, now)
