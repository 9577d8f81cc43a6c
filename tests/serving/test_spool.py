"""The spool keeps what the store refuses, sends it when it can, and inherits from the dead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from loopwright.core.clock import SystemClock
from loopwright.errors import StorageError
from loopwright.serving.spool import Spool
from loopwright.testing.storage import MemoryStorage


class Sulking(MemoryStorage):
    """A store that refuses writes while it is `away`."""

    away = True

    def move(self, key: str, path: Path) -> None:
        if self.away:
            raise StorageError("the store is away")
        super().move(key, path)


def test_what_the_store_refuses_stays_until_it_is_taken(tmp_path: Path) -> None:
    store = Sulking()
    spool = Spool(tmp_path, "one", store, 1000, SystemClock())
    assert spool.add("predictions/demand/a.parquet", b"abc")
    assert not spool.send()
    assert (spool.waiting_bytes, store.objects) == (3, {})
    assert "away" in (spool.away or "")
    store.away = False
    assert spool.send()
    assert store.objects == {"predictions/demand/a.parquet": b"abc"}
    assert (spool.waiting_bytes, spool.away) == (0, None)
    spool.close()
    assert not any(tmp_path.rglob("*.parquet"))


def test_a_full_spool_says_so(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "one", Sulking(), 5, SystemClock())
    assert spool.add("a", b"1234")
    assert not spool.add("b", b"12")
    spool.close()


def test_a_disk_that_refuses_says_so(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "one", MemoryStorage(), 1000, SystemClock())
    (tmp_path / "outgoing" / "one" / "a").write_bytes(b"a file where a folder is needed")
    assert not spool.add("a/b", b"1")
    spool.close()


def test_what_a_dead_process_left_is_sent_and_what_a_living_one_keeps_is_not(tmp_path: Path) -> None:
    away, store = Sulking(), MemoryStorage()
    dead, living = (
        Spool(tmp_path, "dead", away, 1000, SystemClock()),
        Spool(tmp_path, "living", away, 1000, SystemClock()),
    )
    dead.add("predictions/x", b"x")
    living.add("predictions/y", b"y")
    dead.close()
    heir: Any = Spool(tmp_path, "heir", store, 1000, SystemClock())
    heir.adopt()
    assert store.objects == {"predictions/x": b"x"}
    assert not (tmp_path / "outgoing" / "dead").exists()
    living.close()
    heir.adopt()
    assert store.objects == {"predictions/x": b"x", "predictions/y": b"y"}
    heir.close()


def test_half_a_file_is_never_sent(tmp_path: Path) -> None:
    store = MemoryStorage()
    spool = Spool(tmp_path, "one", store, 1000, SystemClock())
    (tmp_path / "outgoing" / "one" / "a.partial").write_bytes(b"half")
    assert spool.send()
    assert store.objects == {}
    spool.close()
