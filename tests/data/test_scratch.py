"""Disks that are full or may not be written, and stored rows that were damaged: said in plain words, nothing kept."""

import resource
from contextlib import contextmanager

import polars as pl
import pytest

from loopwright.data.contract import ColumnRule, DataContract
from loopwright.data.snapshot import snapshot
from loopwright.errors import DataError, StorageError

RULES = DataContract(name="set", columns=(ColumnRule(name="n", kind="integer", maximum=500_000.0),))


@contextmanager
def files_no_longer_than(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_with_no_room_for_the_rows_is_named_and_nothing_is_kept(room):
    room.write("a.csv", "n\n" + "".join(f"{n * 7919 % 1_000_003}\n" for n in range(200_000)))
    with (
        files_no_longer_than(50_000),
        pytest.raises(StorageError, match="cannot be worked in: File too large") as caught,
    ):
        room.snapshot("a.csv")
    assert "room on that disk" in caught.value.remedy
    assert room.storage.objects == {}
    assert list(room.scratch.iterdir()) == []


def test_a_query_with_no_room_for_its_rows_is_named(room):
    with files_no_longer_than(50_000), pytest.raises(StorageError, match="cannot be worked in"):
        room.snapshot("SELECT hash(range)::VARCHAR AS h FROM range(500000)")
    assert room.storage.objects == {}


def test_no_room_for_the_quarantine_is_named(room):
    version = room.keep(pl.DataFrame({"n": [n * 7919 % 1_000_003 for n in range(200_000)]}))
    with files_no_longer_than(50_000), pytest.raises(StorageError, match="cannot be worked in"):
        room.validate(version, RULES)


def test_a_folder_that_cannot_be_made_is_named(room):
    room.write("a.csv", "n\n1\n")
    room.write("file", "in the way")
    for scratch in (room.folder / "file", room.folder / "file" / "deeper"):
        with pytest.raises(StorageError, match="cannot be worked in"):
            snapshot(name="set", source="a.csv", root=room.folder, storage=room.storage, scratch=scratch)


def test_stored_rows_that_are_damaged_are_named_with_the_way_out(room):
    version = room.keep(pl.DataFrame({"n": [n * 7919 % 1_000_003 for n in range(200_000)]}))
    key = version.parts[0].key
    damaged = bytearray(room.storage.objects[key])
    damaged[1000:9000] = bytes(8000)
    room.storage.objects[key] = bytes(damaged)
    for look in (room.profile, lambda kept: room.validate(kept, RULES)):
        with pytest.raises(DataError, match=rf"the stored rows of set {version.short} cannot be read") as caught:
            look(version)
        assert "remove datasets/set" in caught.value.remedy
