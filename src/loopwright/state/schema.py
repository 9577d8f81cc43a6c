"""Whether the database's tables are those this version of Loopwright wants, and making them so."""

from __future__ import annotations

import importlib

from sqlalchemy import inspect, text

from loopwright.errors import StateError
from loopwright.state.engine import State

HEAD = "0003"
"""The migration this version ends with; a test holds it against the migrations' folder."""


def prepare(state: State) -> None:
    """Bring the database to this version's tables. Raises `StateError` where a newer Loopwright has been here."""
    found = version(state)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        raise StateError(
            f"the state database was written by a newer Loopwright (its tables are at {found}, ours at {HEAD})",
            remedy="install the newer version, or restore a backup made with this one",
        )
    # Alembic is slow to import and only needed here; most starts find the tables as they should be.
    importlib.import_module("loopwright.state.migrate").upgrade(state)


def version(state: State) -> str | None:
    """The migration the database is at; None where it is new."""
    with state.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
