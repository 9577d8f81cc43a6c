"""Work that only one process at a time may do, held by a lock that ends with whoever holds it, however that ends."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from loopwright.errors import StateError
from loopwright.state.engine import State


@contextmanager
def alone(state: State, what: str) -> Iterator[bool]:
    """Whether nobody else does `what` on this database; if so, nobody begins it until the block ends.

    Nobody waits, and no transaction is held: the work may be slow. Raises `StateError`.
    """
    hold = _in_postgres if state.engine.dialect.name == "postgresql" else _beside_sqlite
    with hold(state, what) as held:
        yield held


@contextmanager
def _in_postgres(state: State, what: str) -> Iterator[bool]:
    key = {"what": what}
    with state.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        held = bool(connection.execute(text("SELECT pg_try_advisory_lock(hashtext(:what))"), key).scalar())
        try:
            yield held
        finally:
            if held:
                connection.execute(text("SELECT pg_advisory_unlock(hashtext(:what))"), key)


@contextmanager
def _beside_sqlite(state: State, what: str) -> Iterator[bool]:
    if state.engine.url.database in (None, "", ":memory:"):
        yield True  # a database that this process alone has
        return
    path = Path(f"{state.engine.url.database}.{what}.lock")
    try:
        file = path.open("wb")
    except OSError as error:
        raise StateError(
            f"{path} cannot be written: {error.strerror}", remedy="make the folder of the state database writable"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
