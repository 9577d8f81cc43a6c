"""The first release's tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from loopwright.state.engine import Moment

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("rule", sa.String(length=12), nullable=False),
        sa.Column("severity", sa.String(length=12), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("evidence", sa.String(length=120), nullable=False),
        sa.Column("opened", Moment(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("closed", Moment(), nullable=True),
        sa.Column("recovery", sa.Text(), nullable=False),
        sa.Column("notified", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index("ix_alerts_model", "alerts", ["model", "rule", "opened"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=120), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("told", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
    )
    op.create_index("ix_events_model", "events", ["model", "at"], unique=False)
    op.create_index("ix_events_told", "events", ["told", "at"], unique=False)
    op.create_table(
        "findings",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("endpoint", sa.String(length=63), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("window_start", Moment(), nullable=False),
        sa.Column("window_end", Moment(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("judged", sa.Boolean(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("decision", sa.JSON(), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_findings")),
    )
    op.create_index("ix_findings_model", "findings", ["model", "kind", "window_end"], unique=False)
    op.create_table(
        "notices",
        sa.Column("id", sa.String(length=90), nullable=False),
        sa.Column("notifier", sa.String(length=80), nullable=False),
        sa.Column("sent", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", "notifier", name=op.f("pk_notices")),
    )
    op.create_table(
        "retrain_requests",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("trigger", sa.String(length=12), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested", Moment(), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("force", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("decided", Moment(), nullable=True),
        sa.Column("decision", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("run", sa.String(length=80), nullable=True),
        sa.Column("started", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retrain_requests")),
    )
    op.create_index("ix_retrain_requests_model", "retrain_requests", ["model", "requested"], unique=False)
    op.create_index("ix_retrain_requests_status", "retrain_requests", ["status"], unique=False)
    op.create_table(
        "rollouts",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("endpoint", sa.String(length=63), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("champion", sa.Integer(), nullable=True),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("step_started", Moment(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("requested", Moment(), nullable=False),
        sa.Column("started", Moment(), nullable=True),
        sa.Column("finished", Moment(), nullable=True),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rollouts")),
    )
    op.create_index("ix_rollouts_model", "rollouts", ["model", "requested"], unique=False)
    op.create_table(
        "runs",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("started", Moment(), nullable=True),
        sa.Column("finished", Moment(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=120), nullable=True),
        sa.Column("lease_until", Moment(), nullable=True),
        sa.Column("fault", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
    )
    op.create_index("ix_runs_model", "runs", ["model", "created"], unique=False)
    op.create_index("ix_runs_status", "runs", ["status", "created"], unique=False)
    op.create_table(
        "schedules",
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("cron", sa.String(length=120), nullable=False),
        sa.Column("seen", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("model", "cron", name=op.f("pk_schedules")),
    )
    op.create_table(
        "versions",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("run", sa.String(length=80), nullable=False),
        sa.Column("task", sa.String(length=20), nullable=False),
        sa.Column("folder", sa.String(length=400), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("evaluated", sa.String(length=400), nullable=True),
        sa.Column("dataset", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("gate", sa.JSON(), nullable=False),
        sa.Column("origin", sa.String(length=12), nullable=False),
        sa.Column("trained_until", sa.String(length=64), nullable=True),
        sa.Column("evaluated_until", sa.String(length=64), nullable=True),
        sa.Column("trained_rows", sa.Integer(), nullable=False),
        sa.Column("needs_approval", sa.Boolean(), nullable=False),
        sa.Column("split", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("lineage", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_versions")),
        sa.UniqueConstraint("model", "number", name=op.f("uq_versions_model")),
    )
    op.create_table(
        "watches",
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("watch", sa.String(length=12), nullable=False),
        sa.Column("until", Moment(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("model", "watch", name=op.f("pk_watches")),
    )
    op.create_table(
        "stages",
        sa.Column("run", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("started", Moment(), nullable=False),
        sa.Column("finished", Moment(), nullable=True),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("fault", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("progress", sa.Text(), nullable=False),
        sa.Column("done", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "name", name=op.f("pk_stages")),
    )
