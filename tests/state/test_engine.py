"""The state database: readable errors, one way to insert, both dialects."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text

from loopwright.core.clock import VirtualClock
from loopwright.errors import RequestError, StateError
from loopwright.state.engine import State
from loopwright.state.outbox import EVENTS
from loopwright.state.schema import prepare, version


def test_a_new_database_gets_the_newest_tables_and_a_second_start_changes_nothing(state: State) -> None:
    before = version(state)
    prepare(state)
    assert version(state) == before


def test_a_database_of_a_newer_release_is_left_alone(state: State) -> None:
    with state.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StateError, match="newer Loopwright") as caught:
        prepare(state)
    assert "install the newer version" in caught.value.remedy


def test_a_transaction_happens_whole_or_not_at_all(state: State, clock: VirtualClock) -> None:
    row = {"id": "e1", "kind": "a.b", "subject": "s", "model": "m", "at": clock.now(), "data": {}}

    def write_and_fail() -> None:
        with state.write() as connection:
            connection.execute(EVENTS.insert().values(**row))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    with state.read() as connection:
        assert connection.execute(EVENTS.select()).first() is None


def test_moments_come_back_as_they_went_in(state: State, clock: VirtualClock) -> None:
    with state.write() as connection:
        connection.execute(
            EVENTS.insert().values(id="e1", kind="a.b", subject="s", model="m", at=clock.now(), data={"n": 1})
        )
    with state.read() as connection:
        row = connection.execute(EVENTS.select()).mappings().one()
    assert row["at"] == clock.now()
    assert row["at"].utcoffset() is not None


def test_a_database_locked_by_another_process_says_so(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    state = State(f"sqlite:///{path}", wait_seconds=0.05)
    prepare(state)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StateError, match="locked") as caught, state.write():
        pass
    assert "another process holds it" in caught.value.remedy
    holder.close()


def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"this is a text file, and a long enough one to be read as a page header" * 20)
    with pytest.raises(StateError, match="not a database"):
        prepare(State(f"sqlite:///{path}"))


@pytest.mark.parametrize("url", ["mysql://root@db/x", "nonsense", "oracle://x"])
def test_other_databases_are_refused_with_what_is_possible(url: str) -> None:
    with pytest.raises(StateError) as caught:
        State(url)
    assert "sqlite:///" in caught.value.remedy


def test_a_server_that_is_away_says_so_without_its_password() -> None:
    state = State("postgresql://ann:secret@127.0.0.1:1/nowhere")
    with pytest.raises(StateError) as caught:
        prepare(state)
    assert "secret" not in caught.value.message
    assert "doctor" in caught.value.remedy


def test_a_value_that_the_database_cannot_hold_is_the_askers_trouble(state: State) -> None:
    value = 10**25 if state.engine.dialect.name == "sqlite" else "a zero byte: \x00"
    with pytest.raises(RequestError, match="can hold") as caught, state.read() as connection:
        connection.execute(text("SELECT :value"), {"value": value})
    assert caught.value.remedy
