"""The database as lines and back, on both databases: whole, in one moment, or not at all."""

from __future__ import annotations

import pytest

from loopwright.core.clock import VirtualClock
from loopwright.errors import StateError
from loopwright.runs.service import Journal
from loopwright.state.dump import count_rows, dump_tables, load_tables
from loopwright.state.engine import State


def lines(state: State) -> dict[str, list[bytes]]:
    return {name: list(rows) for name, rows in dump_tables(state)}


@pytest.fixture
def filled(state: State, clock: VirtualClock) -> State:
    """Runs with stages, events, moments, nulls and nested values."""
    journal = Journal(state, clock)
    for number in range(3):
        journal.submit("demand", cause="tést", actor="ann", run_id=f"run-{number}", data={"a": [1, {"b": None}]})
    claim = journal.claim("here/1", run_id="run-1")
    assert claim is not None
    journal.begin_stage(claim, "profile", 0)
    journal.finish_stage(claim, "profile", {"rows": 1.5})
    journal.finish(claim, "succeeded", summary="all\nwell")
    return state


def test_what_was_dumped_comes_back_equal(filled: State, clock: VirtualClock) -> None:
    before = lines(filled)
    runs = Journal(filled, clock).runs()
    Journal(filled, clock).submit("other", cause="later", actor="ann")
    load_tables(filled, before.items())
    assert lines(filled) == before
    assert Journal(filled, clock).runs() == runs
    assert count_rows(filled) == sum(len(rows) for rows in before.values())


def test_a_dump_is_of_one_moment(filled: State, clock: VirtualClock) -> None:
    tables = dump_tables(filled)
    name, rows = next(tables)
    dumped = {name: list(rows)}
    writer = State(filled.url)
    Journal(writer, clock).submit("other", cause="meanwhile", actor="ann", run_id="run-meanwhile")
    writer.close()
    dumped |= {name: list(rows) for name, rows in tables}
    assert not any(b"run-meanwhile" in row for rows in dumped.values() for row in rows)
    assert any(b"run-meanwhile" in row for rows in lines(filled).values() for row in rows)


def test_a_table_not_known_changes_nothing(filled: State) -> None:
    before = lines(filled)
    with pytest.raises(StateError, match="strangers"):
        load_tables(filled, [("strangers", [b"{}"])])
    assert lines(filled) == before
