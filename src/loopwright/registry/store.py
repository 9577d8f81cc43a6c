"""The registry's table."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Integer, String, Table, UniqueConstraint
from sqlalchemy.engine import RowMapping

from loopwright.core.codec import from_plain
from loopwright.core.decision import Decision
from loopwright.registry.records import ModelVersion
from loopwright.state.engine import METADATA, Moment
from loopwright.training.records import SplitPlan

VERSIONS = Table(
    "versions",
    METADATA,
    Column("id", String(80), primary_key=True),
    Column("model", String(63), nullable=False),
    Column("number", Integer, nullable=False),
    Column("run", String(80), nullable=False),
    Column("task", String(20), nullable=False),
    Column("folder", String(400), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("evaluated", String(400)),
    Column("dataset", String(64), nullable=False),
    Column("code", String(64), nullable=False),
    Column("created", Moment, nullable=False),
    Column("gate", JSON, nullable=False),
    Column("origin", String(12), nullable=False),
    Column("trained_until", String(64)),
    Column("evaluated_until", String(64)),
    Column("trained_rows", Integer, nullable=False),
    Column("needs_approval", Boolean, nullable=False),
    Column("split", JSON(none_as_null=True)),
    Column("params", JSON, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("lineage", JSON, nullable=False),
    Column("anchor", Integer),
    UniqueConstraint("model", "number"),
)


def version_of(row: RowMapping) -> ModelVersion:
    values = dict(row)
    values["gate"] = from_plain(values["gate"], Decision)
    values["split"] = from_plain(values["split"], SplitPlan) if values["split"] else None
    return ModelVersion(**values)
