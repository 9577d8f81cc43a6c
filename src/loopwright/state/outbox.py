"""The outbox: what happened, written in the transaction that made it happen, to be told to others afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import JSON, Column, Index, String, Table, select, update
from sqlalchemy.engine import Connection

from loopwright.core.event import Event
from loopwright.state.engine import METADATA, Moment, State, insert_once

EVENTS = Table(
    "events",
    METADATA,
    Column("id", String(80), primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("subject", String(120), nullable=False),
    Column("model", String(63), nullable=False),
    Column("at", Moment, nullable=False),
    Column("data", JSON, nullable=False),
    Column("told", Moment),
    Index("ix_events_told", "told", "at"),
    Index("ix_events_model", "model", "at"),
)


def emit(connection: Connection, event: Event) -> bool:
    """Write the event down with the change it tells of; the same id again changes nothing (False)."""
    return insert_once(
        connection,
        EVENTS,
        {
            "id": event.id,
            "kind": event.kind,
            "subject": event.subject,
            "model": event.model,
            "at": event.at,
            "data": event.data,
        },
    )


def untold(state: State, kinds: Iterable[str], limit: int = 100) -> list[Event]:
    """Events of these kinds that nobody has told yet, oldest first."""
    with state.read() as connection:
        rows = connection.execute(
            select(EVENTS)
            .where(EVENTS.c.told.is_(None), EVENTS.c.kind.in_(list(kinds)))
            .order_by(EVENTS.c.at, EVENTS.c.id)
            .limit(limit)
        )
        return [_event(row) for row in rows.mappings()]


def mark_told(state: State, event: Event, at: datetime) -> None:
    """Remember that the event was told."""
    with state.write() as connection:
        connection.execute(update(EVENTS).where(EVENTS.c.id == event.id).values(told=at))


def recent(state: State, *, model: str | None = None, limit: int = 50) -> list[Event]:
    """The latest events, newest first."""
    query = select(EVENTS).order_by(EVENTS.c.at.desc(), EVENTS.c.id.desc()).limit(limit)
    if model is not None:
        query = query.where(EVENTS.c.model == model)
    with state.read() as connection:
        return [_event(row) for row in connection.execute(query).mappings()]


def _event(row: object) -> Event:
    values = dict(row)  # type: ignore[call-overload]
    values.pop("told")
    return Event(**values)
