"""Captured rows read back: the last of a version, whole, and none that a shadow predicted."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from loopwright.core.codec import to_json
from loopwright.data.captured_rows import has_captures, last_rows, shadow_rows
from loopwright.data.captures import Compaction, look_at_captures
from loopwright.errors import NotFoundError
from loopwright.testing.storage import MemoryStorage
from loopwright.traffic.predictions import segment_key

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = START + timedelta(hours=1)


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def captured(storage: MemoryStorage) -> Callable[..., str]:
    """`captured(["a", "b"], price=[1, 2])`: a segment of one version, a row a second."""
    sequence = [0]

    def write(
        ids: list[str], *, version: int = 1, shadow: bool | None = False, begin: int = 0, keys=None, **inputs: list
    ) -> str:
        at = [START + timedelta(seconds=begin + place) for place in range(len(ids))]
        frame = pl.DataFrame(
            {
                "prediction_id": ids,
                "version": [version] * len(ids),
                "at": pl.Series(at, dtype=pl.Datetime("us", "UTC")),
                "key": pl.Series(keys or [None] * len(ids), dtype=pl.String),
                **({} if shadow is None else {"shadow": [shadow] * len(ids)}),
                **{f"input.{name}": values for name, values in inputs.items()},
                "output.prediction": [float(len(one)) for one in ids],
            }
        )
        sink = io.BytesIO()
        frame.write_parquet(sink)
        sequence[0] += 1
        key = segment_key("demand", at[0], "server", sequence[0])
        storage.put(key, sink.getvalue())
        return key

    return write


@pytest.fixture
def last(storage: MemoryStorage, tmp_path: Path) -> Callable[..., pl.DataFrame]:
    def read(rows: int = 100, *, version: int = 1, inputs=("price",), until: datetime = LATER):
        return last_rows(storage, "demand", version=version, inputs=inputs, rows=rows, until=until, scratch=tmp_path)

    return read


def test_the_last_rows_of_a_version_are_those_it_answered_itself(captured, last):
    captured(["a", "b"], price=[1, 2])
    captured(["c"], price=[3], version=2, begin=5)
    captured(["d"], price=[4], shadow=True, begin=6)
    captured(["e", "f"], price=[5, 6], begin=10)
    assert last().frame["prediction_id"].to_list() == ["a", "b", "e", "f"]
    assert last(3).frame["input.price"].to_list() == [2, 5, 6]
    assert last(version=3).frame.is_empty()


def test_rows_from_before_shadows_were_marked_are_answered_ones(captured, last):
    captured(["a"], price=[1], shadow=None)
    assert last().frame.height == 1


def test_rows_after_the_moment_are_not_there_yet(captured, last):
    captured(["a", "b", "c"], price=[1, 2, 3])
    assert last(until=START + timedelta(seconds=2)).frame["prediction_id"].to_list() == ["a", "b"]
    assert last(until=START + timedelta(days=30)).frame.is_empty(), "too long ago"


def test_rows_that_lack_a_column_are_left_out_and_the_column_is_named(captured, last):
    captured(["a"], price=[1])
    captured(["b"], begin=5)
    found = last()
    assert found.frame["prediction_id"].to_list() == ["a"]
    assert found.lacking == ("price",)
    assert last(inputs=("price", "shop")).frame.is_empty()
    assert last(inputs=()).frame.height == 2


def test_a_unit_is_the_key_or_else_the_request(captured, last):
    captured(["r1:0", "r1:1", "r2", "x:y"], keys=[None, None, "k", None], price=[1, 2, 3, 4])
    assert last().frame["unit"].to_list() == ["request r1", "request r1", "key k", "request x:y"]


def test_shadows_predictions_are_read_apart(captured, storage, tmp_path):
    captured(["a", "b"], price=[1, 2])
    assert shadow_rows(storage, "demand", START, LATER, scratch=tmp_path) == {}
    captured(["a", "b"], price=[1, 2], version=2, shadow=True)
    found = shadow_rows(storage, "demand", START, START + timedelta(seconds=1), scratch=tmp_path)
    assert {number: rows["prediction_id"].to_list() for number, rows in found.items()} == {2: ["a"]}


def test_a_segment_that_is_replaced_while_it_is_read_is_found_where_it_went(captured, storage, last, monkeypatch):
    old = captured(["a"], price=[1])
    whole = old.replace("-server-000001", "-compacted-0000-x")
    fetch, fetched = storage.fetch, []

    def gone_at_first(key: str, scratch: Path) -> Path:
        if not fetched:
            storage.put(whole, storage.get(old))
            record = Compaction(into=whole, sources=(old,), at=LATER)
            storage.put(f"{old.rpartition('/')[0]}/12-0000.compaction.json", to_json(record))
            storage.delete(old)
        fetched.append(key)
        return fetch(key, scratch)

    monkeypatch.setattr(storage, "fetch", gone_at_first)
    assert last().frame["prediction_id"].to_list() == ["a"]
    assert fetched == [old, whole]


def test_what_stays_gone_is_told(captured, storage, last):
    key = captured(["a"], price=[1])
    record = Compaction(into=f"{key}x", sources=(key,), at=LATER)
    storage.put(f"{key.rpartition('/')[0]}/12-0000.compaction.json", to_json(record))
    assert look_at_captures(storage, "demand", START.date(), START.date()).keys == (f"{key}x",)
    with pytest.raises(NotFoundError):
        last()


def test_whether_there_is_anything_is_told_without_reading_it(captured, storage):
    assert not has_captures(storage, "demand", LATER)
    captured(["a"], price=[1])
    assert has_captures(storage, "demand", LATER)
    assert not has_captures(storage, "demand", START + timedelta(days=30))
