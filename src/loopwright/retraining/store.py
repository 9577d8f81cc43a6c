"""Retraining's tables."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Index, Integer, String, Table, Text
from sqlalchemy.engine import RowMapping

from loopwright.core.codec import from_plain
from loopwright.core.decision import Decision
from loopwright.retraining.records import Backtest, RetrainRequest
from loopwright.state.engine import METADATA, Moment

REQUESTS = Table(
    "retrain_requests",
    METADATA,
    Column("id", String(80), primary_key=True),
    Column("model", String(63), nullable=False),
    Column("trigger", String(12), nullable=False),
    Column("cause", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("requested", Moment, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("version", Integer),
    Column("force", Boolean, nullable=False),
    Column("status", String(12), nullable=False),
    Column("decided", Moment),
    Column("decision", JSON(none_as_null=True)),
    Column("run", String(80)),
    Column("started", Moment),
    Column("backtest", JSON(none_as_null=True)),
    Column("approved", Moment),
    Column("approved_by", String(120)),
    Index("ix_retrain_requests_model", "model", "requested"),
    Index("ix_retrain_requests_status", "status"),
)

SCHEDULES = Table(
    "schedules",
    METADATA,
    Column("model", String(63), primary_key=True),
    Column("cron", String(120), primary_key=True),
    Column("seen", Moment, nullable=False),
)
"""Since when a schedule is known: slots before it was declared are nobody's."""

BREAKERS = Table(
    "retrain_breakers",
    METADATA,
    Column("model", String(63), primary_key=True),
    Column("reset", Moment, nullable=False),
    Column("actor", String(120), nullable=False),
)
"""When a person last closed a model's breaker: failures before are forgiven."""


def request_of(row: RowMapping) -> RetrainRequest:
    values = dict(row)
    values["decision"] = from_plain(values["decision"], Decision) if values["decision"] else None
    values["backtest"] = from_plain(values["backtest"], Backtest) if values["backtest"] else None
    return RetrainRequest(**values)
