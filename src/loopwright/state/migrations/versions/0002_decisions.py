"""What decisions remember: tables and columns of the gate, rollouts, outcomes, alerts and the governor."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from loopwright.state.engine import Moment

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _governor()
    _alerts()


def _alerts() -> None:
    with op.batch_alter_table("alerts") as table:
        table.add_column(sa.Column("notify", sa.JSON(), nullable=False, server_default="[]"))
        table.add_column(sa.Column("recovery_told", Moment(), nullable=True))
        table.add_column(sa.Column("remind_seconds", sa.Float(), nullable=True))
        table.add_column(sa.Column("reminded", Moment(), nullable=True))
        table.add_column(sa.Column("acknowledged", Moment(), nullable=True))
        table.add_column(sa.Column("acknowledged_by", sa.String(length=120), nullable=False, server_default=""))
        table.add_column(sa.Column("acknowledged_because", sa.Text(), nullable=False, server_default=""))
    op.execute("UPDATE alerts SET recovery_told = closed WHERE notified IS NOT NULL")
    with op.batch_alter_table("findings") as table:
        table.add_column(sa.Column("settled", sa.Boolean(), nullable=False, server_default=sa.false()))
        table.create_index("ix_findings_settled", ["settled", "model"])
    op.execute("UPDATE findings SET settled = TRUE")
    op.create_table(
        "streaks",
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("rule", sa.String(length=12), nullable=False),
        sa.Column("failing", sa.Integer(), nullable=False),
        sa.Column("passing", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("last", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("model", "rule", name=op.f("pk_streaks")),
    )
    op.create_table(
        "silences",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("rule", sa.String(length=12), nullable=True),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("until", Moment(), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("lifted", Moment(), nullable=True),
        sa.Column("lifted_by", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_silences")),
    )
    op.create_index("ix_silences_until", "silences", ["until"], unique=False)
    op.drop_table("notices")  # it said which alerts each kind of notifier was told of
    op.create_table(
        "notices",
        sa.Column("id", sa.String(length=80), nullable=False),
        sa.Column("severity", sa.String(length=12), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("made", Moment(), nullable=False),
        sa.Column("alerts", sa.JSON(), nullable=False),
        sa.Column("destinations", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
    )
    op.create_index("ix_notices_made", "notices", ["made"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("notice", sa.String(length=80), nullable=False),
        sa.Column("destination", sa.String(length=63), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("tried", Moment(), nullable=True),
        sa.Column("sent", Moment(), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("notice", "destination", name=op.f("pk_deliveries")),
    )


def _governor() -> None:
    with op.batch_alter_table("retrain_requests") as table:
        table.add_column(sa.Column("backtest", sa.JSON(), nullable=True))
        table.add_column(sa.Column("approved", Moment(), nullable=True))
        table.add_column(sa.Column("approved_by", sa.String(length=120), nullable=True))
    op.create_table(
        "retrain_breakers",
        sa.Column("model", sa.String(length=63), nullable=False),
        sa.Column("reset", Moment(), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_retrain_breakers")),
    )
