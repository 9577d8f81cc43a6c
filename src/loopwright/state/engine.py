"""The state database: one engine, one way to open a transaction, and errors a person can read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    DateTime,
    Dialect,
    Engine,
    MetaData,
    Table,
    TypeDecorator,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DatabaseError, DataError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from loopwright.errors import RequestError, StateError

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every room's tables; each room declares its own in `store.py`."""


class Moment(TypeDecorator[datetime]):
    """A UTC moment with its zone, on both databases."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class State:
    """An open state database. Use `write()` to change, `read()` to look.

    Both map trouble to `StateError`, and a value that no database can hold to `RequestError`.
    """

    def __init__(self, url: str, *, wait_seconds: float = 10.0) -> None:
        self.url = url
        self.engine = _engine(url, wait_seconds)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may change things; all of it happens, or none. Writers on SQLite take turns."""
        with _readable_errors(self.url), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent look."""
        with _readable_errors(self.url), self.engine.connect().execution_options(reads_only=True) as connection:
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def insert_once(connection: Connection, table: Table, values: dict[str, Any]) -> bool:
    """Insert a row unless one with its primary (or a unique) key is there; says whether it was inserted."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table).values(**values).on_conflict_do_nothing().returning(*table.primary_key)
    return connection.execute(statement).first() is not None


def take_turns(connection: Connection, what: str) -> None:
    """Hold all other transactions that take turns at `what` until this one ends. SQLite's writers always do."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:what))"), {"what": what})


def _engine(url: str, wait_seconds: float) -> Engine:
    parsed = _parsed(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_pre_ping=True)
    if parsed.database:
        try:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(
                f"the folder of the state database {parsed.database} cannot be made: {error.strerror}",
                remedy="choose a folder you may write to: setting `home`, or LOOPWRIGHT_HOME",
            ) from error
    engine = create_engine(parsed, connect_args={"timeout": wait_seconds, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (DBAPIError, NoSuchModuleError, ValueError, ModuleNotFoundError) as error:
        raise StateError(f"the setting `state` is no database URL: {error}", remedy=_URLS) from error
    except Exception as error:  # SQLAlchemy's own ArgumentError has no narrower public parent
        raise StateError(f"the setting `state` is no database URL: {error}", remedy=_URLS) from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise StateError(f"the setting `state` names {parsed.get_backend_name()}", remedy=_URLS)
    return parsed


_URLS = "write sqlite:///path/state.db, or postgresql://user@host/database with `pip install 'loopwright[postgres]'`"


def _prepare_sqlite(connection: Any, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # we begin transactions ourselves, see _begin_sqlite
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: Connection) -> None:
    # A writer that begins as a reader can fail half-way when another writes in between; IMMEDIATE waits at the door.
    reads_only = connection.get_execution_options().get("reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


@contextmanager
def _readable_errors(url: str) -> Iterator[None]:
    try:
        yield
    except (DataError, OverflowError) as error:
        cause = str(error.orig or error) if isinstance(error, DataError) else str(error)
        raise RequestError(
            f"a value is none that the state database can hold: {cause.strip().splitlines()[0]}",
            remedy="write numbers below 2 to the power of 63, and texts without a zero byte",
        ) from error
    except DatabaseError as error:
        if not isinstance(error, OperationalError) and type(error) is not DatabaseError:
            raise  # a broken constraint or a wrong statement is a mistake of ours, not the database's state
        cause = str(error.orig).strip().splitlines()[0] if error.orig else str(error)
        shown = make_url(url).render_as_string(hide_password=True)
        if "locked" in cause:
            remedy = "another process holds it; stop that process, or wait and try again"
        elif "readonly" in cause or "read-only" in cause:
            remedy = "make the file and its folder writable, or choose another `home`"
        elif "not a database" in cause or "malformed" in cause:
            remedy = "the file is something else or is damaged: restore a backup, or move it away to start anew"
        elif "full" in cause:
            remedy = "free some space on that disk; nothing was changed"
        else:
            remedy = "check that the database is there and answers: `loopwright doctor`"
        raise StateError(f"the state database {shown} refuses: {cause}", remedy=remedy) from error
