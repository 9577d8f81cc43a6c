"""What decisions remember: tables and columns of the gate, rollouts, outcomes, alerts and the governor."""

from __future__ import annotations

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    pass
