"""Many small segments become one; whoever reads meanwhile, or after it was cut short, sees each row exactly once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopwright.adapters.obstore.storage import ObjectStorage, open_storage
from loopwright.data.captures import RECORD, look_at_captures
from loopwright.data.compaction import FEW, GRACE, compact
from loopwright.errors import StorageError
from loopwright.traffic.predictions import segment_key

START = datetime(2026, 1, 2, 3, tzinfo=UTC)
DAY = START.date()
LATER = START + timedelta(hours=2)


class Watched:
    """A store that calls `before` and `seen` around each change, and is away after `changes` of them."""

    def __init__(
        self, storage: ObjectStorage, seen: Any = None, changes: int = 10**6, before: Any = lambda: None
    ) -> None:
        self.storage, self.seen, self.left, self.before = storage, seen or (lambda: None), changes, before

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.storage, name)
        return self._watched(found) if name in ("put", "create", "delete", "upload") else found

    def _watched(self, change: Any) -> Any:
        def changed(*given: Any) -> Any:
            if self.left == 0:
                raise StorageError("the store is away")
            self.left -= 1
            self.before()
            answer = change(*given)
            self.seen()
            return answer

        return changed


@pytest.fixture
def storage(tmp_path: Path) -> ObjectStorage:
    return open_storage(str(tmp_path / "store"))


def put_segment(storage: ObjectStorage, folder: Path, at: datetime, number: int, **more: list[Any]) -> None:
    file = folder / "segment.parquet"
    pq.write_table(pa.table({"prediction_id": [f"{number}a", f"{number}b"], **more}), file)
    storage.upload(segment_key("demand", at, "s-1", number), file)


def rows(storage: Any, scratch: Path) -> list[str]:
    keys = look_at_captures(storage, "demand", DAY, DAY + timedelta(days=1)).keys
    return sorted(
        one for key in keys for one in pq.read_table(storage.fetch(key, scratch))["prediction_id"].to_pylist()
    )


def expected(count: int) -> list[str]:
    return sorted(f"{number}{half}" for number in range(count) for half in "ab")


def fill(storage: ObjectStorage, folder: Path, count: int = 12) -> None:
    for number in range(count):
        put_segment(storage, folder, START + timedelta(minutes=number), number)


def test_an_hour_becomes_one_segment_and_its_parts_go_after_a_while(storage: ObjectStorage, tmp_path: Path) -> None:
    fill(storage, tmp_path)
    assert compact(storage, "demand", LATER, tmp_path) == 1
    assert len(look_at_captures(storage, "demand", DAY, DAY).keys) == 1
    assert rows(storage, tmp_path) == expected(12)
    assert sum("-s-1-" in key for key in storage.list("predictions/")) == 12
    assert compact(storage, "demand", LATER + GRACE, tmp_path) == 0
    assert len([key for key in storage.list("predictions/") if key.endswith(".parquet")]) == 1
    assert rows(storage, tmp_path) == expected(12)


def test_what_comes_late_is_put_together_with_the_rest(storage: ObjectStorage, tmp_path: Path) -> None:
    fill(storage, tmp_path)
    compact(storage, "demand", LATER, tmp_path)
    for number in range(12, 12 + FEW):
        put_segment(storage, tmp_path, START, number)
    assert compact(storage, "demand", LATER + GRACE, tmp_path) == 1
    assert len(look_at_captures(storage, "demand", DAY, DAY).keys) == 1
    compact(storage, "demand", LATER + 2 * GRACE, tmp_path)
    assert rows(storage, tmp_path) == expected(12 + FEW)


def test_few_segments_and_hours_that_go_on_stay_as_they_are(storage: ObjectStorage, tmp_path: Path) -> None:
    fill(storage, tmp_path, FEW - 1)
    assert compact(storage, "demand", LATER, tmp_path) == 0
    put_segment(storage, tmp_path, START, FEW)
    assert compact(storage, "demand", START + timedelta(hours=1, minutes=9), tmp_path) == 0
    assert compact(storage, "demand", START + timedelta(hours=1, minutes=10), tmp_path) == 1


def test_segments_of_other_columns_stay_apart(storage: ObjectStorage, tmp_path: Path) -> None:
    fill(storage, tmp_path)
    for number in (12, 13):
        put_segment(storage, tmp_path, START, number, key=["k", "k"])
    assert compact(storage, "demand", LATER, tmp_path) == 1
    assert len(look_at_captures(storage, "demand", DAY, DAY).keys) == 2
    assert rows(storage, tmp_path) == expected(14)


def test_cut_short_anywhere_each_row_is_read_once_and_the_next_time_goes_on(
    storage: ObjectStorage, tmp_path: Path
) -> None:
    fill(storage, tmp_path, FEW)
    cut = 0
    for changes in range(40):
        watched = Watched(storage, lambda: check(storage, tmp_path), changes % 13)
        try:
            compact(watched, "demand", LATER + changes * GRACE, tmp_path)  # type: ignore[arg-type]
        except StorageError:
            cut += 1
        check(storage, tmp_path)
    assert cut > 3
    names = [key for key in storage.list("predictions/") if "-s-1-" in key]
    assert names == []


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_killed_at_any_change_nothing_is_left_that_no_record_names(tmp_path: Path, late: bool) -> None:
    """The first compactor is killed before or after each of its changes in turn, the second goes on from there."""
    for changes in count():
        storage = open_storage(str(tmp_path / f"store-{changes}"))
        fill(storage, tmp_path, FEW)
        put_segment(storage, tmp_path, START, FEW, key=["k", "k"])
        put_segment(storage, tmp_path, START, FEW + 1, key=["k", "k"])
        killed = kill_at(storage, tmp_path, changes, late=late)
        put_segment(storage, tmp_path, START, FEW + 2)  # a segment that came late: the second finds other sources
        for turn in range(3, 7):
            compact(storage, "demand", LATER + turn * GRACE, tmp_path)
            assert rows(storage, tmp_path) == expected(FEW + 3)
        seen = look_at_captures(storage, "demand", DAY, DAY)
        assert (seen.unnamed, list(tmp_path.glob("compaction-*"))) == ((), [])
        assert {key for key in storage.list("predictions/") if key.endswith(".parquet")} == set(seen.keys)
        if not killed:
            break
    assert changes >= 2 * 2 + FEW + 2 + 2  # two wholes and their records, the segments, the records shortened


def test_whoever_took_its_time_finds_what_it_wrote_given_up(storage: ObjectStorage, tmp_path: Path) -> None:
    fill(storage, tmp_path)

    def sweep() -> None:  # between the whole and the record of one, another gives the whole up
        if not any(key.endswith(RECORD) for key in storage.list("predictions/")):
            compact(storage, "demand", START, tmp_path)

    assert compact(Watched(storage, sweep), "demand", LATER, tmp_path) == 0  # type: ignore[arg-type]
    assert rows(storage, tmp_path) == expected(12)
    assert compact(storage, "demand", LATER, tmp_path) == 1
    assert rows(storage, tmp_path) == expected(12)
    assert len(look_at_captures(storage, "demand", DAY, DAY).keys) == 1


def kill_at(storage: ObjectStorage, folder: Path, changes: int, *, late: bool) -> bool:
    """Compact, twice, until so many changes are made; whether it came to that."""

    class Killed(BaseException):
        pass

    left = changes

    def die() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed

    watched = Watched(storage, **({"seen": die} if late else {"before": die}))
    try:
        for turn in (0, 1):
            compact(watched, "demand", LATER + turn * GRACE, folder)  # type: ignore[arg-type]
    except Killed:
        return True
    return False


def check(storage: ObjectStorage, folder: Path) -> None:
    assert rows(storage, folder) == expected(FEW)


def test_of_two_at_once_one_counts(storage: ObjectStorage, tmp_path: Path) -> None:
    fill(storage, tmp_path)
    between: list[int] = []

    def other() -> None:  # the other one decides upon the same, and is quicker
        if not between:
            between.append(compact(storage, "demand", LATER, tmp_path))

    assert compact(Watched(storage, other), "demand", LATER, tmp_path) == 0  # type: ignore[arg-type]
    assert between == [1]
    assert rows(storage, tmp_path) == expected(12)
    assert len([key for key in storage.list("predictions/") if "-compacted-" in key]) == 1
