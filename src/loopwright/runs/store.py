"""The journal's tables."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Column, Float, ForeignKey, Index, Integer, String, Table, Text
from sqlalchemy.engine import RowMapping

from loopwright.core.codec import from_plain
from loopwright.runs.records import Fault, Run, StageRecord
from loopwright.state.engine import METADATA, Moment

RUNS = Table(
    "runs",
    METADATA,
    Column("id", String(80), primary_key=True),
    Column("model", String(63), nullable=False),
    Column("status", String(12), nullable=False),
    Column("cause", Text, nullable=False),
    Column("actor", String(120), nullable=False),
    Column("created", Moment, nullable=False),
    Column("started", Moment),
    Column("finished", Moment),
    Column("attempt", Integer, nullable=False, default=1),
    Column("fence", Integer, nullable=False, default=0),
    Column("worker", String(120)),
    Column("lease_until", Moment),
    Column("fault", JSON(none_as_null=True)),
    Column("summary", Text, nullable=False, default=""),
    Column("data", JSON, nullable=False, default=dict),
    Index("ix_runs_status", "status", "created"),
    Index("ix_runs_model", "model", "created"),
)

STAGES = Table(
    "stages",
    METADATA,
    Column("run", String(80), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("status", String(12), nullable=False),
    Column("started", Moment, nullable=False),
    Column("finished", Moment),
    Column("result", JSON(none_as_null=True)),
    Column("fault", JSON(none_as_null=True)),
    Column("progress", Text, nullable=False, default=""),
    Column("done", Float, nullable=False, default=0.0),
)


def run_of(row: RowMapping) -> Run:
    return Run(**_with_fault(row))


def stage_of(row: RowMapping) -> StageRecord:
    return StageRecord(**_with_fault(row))


def _with_fault(row: RowMapping) -> dict[str, Any]:
    values = dict(row)
    values["fault"] = from_plain(values["fault"], Fault) if values["fault"] else None
    return values
