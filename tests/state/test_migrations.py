"""The migrations make exactly the tables that the rooms declare."""

from __future__ import annotations

import importlib
import pkgutil

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import loopwright
from loopwright.state import schema
from loopwright.state.engine import METADATA, State


def test_migrated_tables_are_the_declared_ones(state: State) -> None:
    for room in pkgutil.iter_modules(loopwright.__path__, "loopwright."):
        if room.ispkg and importlib.util.find_spec(f"{room.name}.store"):
            importlib.import_module(f"{room.name}.store")
    with state.write() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []


def test_the_code_knows_the_last_migration() -> None:
    scripts = ScriptDirectory(str(schema.__file__).replace("schema.py", "migrations"))
    assert scripts.get_current_head() == schema.HEAD
