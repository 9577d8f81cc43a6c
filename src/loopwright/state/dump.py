"""The state database as JSON lines and back: one form, so that SQLite can become PostgreSQL and the reverse."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Table, func, insert, select

from loopwright.core.codec import from_json, to_json
from loopwright.errors import StateError
from loopwright.state.engine import METADATA, Moment, State

BATCH = 500
"""Rows that are inserted together."""


def dump_tables(state: State) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Every table's name and rows, a line each, all as of one moment. Take the rows before the next table."""
    with state.read() as connection:
        if connection.dialect.name == "postgresql":  # else each statement would see its own moment
            connection.execution_options(isolation_level="REPEATABLE READ")
        for table in METADATA.sorted_tables:
            rows = connection.execute(select(table).execution_options(yield_per=BATCH)).mappings()
            yield table.name, (to_json(dict(row)) for row in rows)


def load_tables(state: State, tables: Iterable[tuple[str, Iterable[bytes]]]) -> None:
    """Put the rows in place of all that are there, or change nothing. Raises `StateError` for a table not known."""
    with state.write() as connection:
        for table in reversed(METADATA.sorted_tables):
            connection.execute(table.delete())
        for name, lines in tables:
            if name not in METADATA.tables:
                raise StateError(
                    f"the dump holds a table {name!r}, which this version does not know",
                    remedy="restore it with the version that made it",
                )
            table = METADATA.tables[name]
            rows = (_row(table, line) for line in lines)
            while batch := list(islice(rows, BATCH)):
                connection.execute(insert(table), batch)


def count_rows(state: State) -> int:
    """How many rows there are in all tables."""
    with state.read() as connection:
        return sum(
            int(connection.execute(select(func.count()).select_from(table)).scalar_one())
            for table in METADATA.sorted_tables
        )


def _row(table: Table, line: bytes) -> dict[str, Any]:
    values = from_json(line, dict[str, Any])
    for column in table.columns:
        if isinstance(column.type, Moment) and values[column.name] is not None:
            values[column.name] = datetime.fromisoformat(values[column.name])
    return values
