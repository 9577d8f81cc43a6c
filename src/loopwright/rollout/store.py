"""The rollouts' table."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Index, Integer, String, Table
from sqlalchemy.engine import RowMapping

from loopwright.core.codec import from_plain
from loopwright.core.decision import Reason
from loopwright.rollout.records import Rollout, RolloutPlan
from loopwright.state.engine import METADATA, Moment

ROLLOUTS = Table(
    "rollouts",
    METADATA,
    Column("id", String(80), primary_key=True),
    Column("model", String(63), nullable=False),
    Column("endpoint", String(63), nullable=False),
    Column("version", Integer, nullable=False),
    Column("champion", Integer),
    Column("plan", JSON, nullable=False),
    Column("status", String(20), nullable=False),
    Column("step", Integer, nullable=False),
    Column("step_started", Moment, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("requested", Moment, nullable=False),
    Column("started", Moment),
    Column("finished", Moment),
    Column("reasons", JSON, nullable=False),
    Column("actor", String(120), nullable=False),
    Index("ix_rollouts_model", "model", "requested"),
)


def rollout_of(row: RowMapping) -> Rollout:
    values = dict(row)
    values["plan"] = from_plain(values["plan"], RolloutPlan)
    values["reasons"] = from_plain(values["reasons"], tuple[Reason, ...])
    return Rollout(**values)
