"""A watch on sources: what has not changed is not read again, and what is new says how new it is."""

import datetime as dt

import polars as pl
import pytest

from loopwright.core.clock import VirtualClock
from loopwright.data import newness
from loopwright.data.newness import SourceWatch
from loopwright.declare import Declaration
from loopwright.errors import SourceError


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def taken(monkeypatch):
    """The sources of which snapshots were taken."""
    seen = []
    take = newness.snapshot
    monkeypatch.setattr(newness, "snapshot", lambda **said: seen.append(said["source"]) or take(**said))
    return seen


@pytest.fixture
def watch(room, clock):
    return SourceWatch(room.folder, room.storage, room.scratch, clock)


def declared(source, **said):
    return Declaration(**{"name": "m", "source": source, "target": "y", **said})


def test_an_unchanged_file_is_not_read_again(room, watch, taken):
    path = room.write("a.csv", "x,y\n1,2\n")
    first = watch.look(declared("a.csv"))
    assert watch.look(declared("a.csv")) == first
    assert taken == ["a.csv"]
    path.write_text("x,y\n1,2\n3,4\n")
    version, _ = watch.look(declared("a.csv"))
    assert version.rows == 2
    assert taken == ["a.csv", "a.csv"]


def test_a_new_file_below_a_glob_is_seen(room, watch):
    room.write("in/1.csv", "y\n1\n")
    assert watch.look(declared("in/*.csv"))[0].rows == 1
    room.write("in/2.csv", "y\n2\n")
    assert watch.look(declared("in/*.csv"))[0].rows == 2


def test_a_query_is_run_again_after_a_while(room, watch, taken, clock):
    room.write("a.csv", "y\n1\n")
    declaration = declared("SELECT * FROM 'a.csv'")
    watch.look(declaration)
    room.write("a.csv", "y\n1\n2\n")
    assert watch.look(declaration)[0].rows == 1
    clock.sleep(60)
    assert watch.look(declaration)[0].rows == 2
    assert len(taken) == 2


@pytest.mark.parametrize(
    ("time", "newest"), [("day", "2024-01-02"), ("n", "7"), (None, None), ("gone", None), ("none", None)]
)
def test_the_newest_labelled_row_is_told(room, watch, time, newest):
    rows = pl.DataFrame(
        {
            "day": [dt.date(2024, 1, 1), dt.date(2024, 1, 2), dt.date(2024, 1, 3)],
            "n": [7, 5, 9],
            "none": pl.Series([None] * 3, dtype=pl.Int64),
            "y": [1, 2, None],
        }
    )
    room.write("a.parquet", rows)
    assert watch.look(declared("a.parquet", time=time))[1] == newest


def test_a_source_that_is_gone_is_refused(watch):
    with pytest.raises(SourceError, match="there is no file"):
        watch.look(declared("none.csv"))
