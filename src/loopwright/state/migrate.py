"""Migrations by Alembic, run from the package itself: no ini file, no command line."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

from loopwright.state.engine import State


def upgrade(state: State) -> None:
    """Bring the database to the newest tables, in one transaction."""
    with state.write() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
