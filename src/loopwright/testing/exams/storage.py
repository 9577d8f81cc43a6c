"""The exam of `ports.Storage`."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from loopwright.errors import NotFoundError, StorageError
from loopwright.ports.storage import Storage, fetch_folder, upload_folder


class StorageExam:
    """Fixture `storage`: an empty store."""

    @pytest.mark.parametrize("data", [b"", b"\x00\xff binary", b"x" * 9_000_000], ids=["empty", "binary", "large"])
    def test_gives_back_what_was_put(self, storage: Storage, data: bytes) -> None:
        storage.put("a/b.bin", data)
        assert storage.get("a/b.bin") == data

    @pytest.mark.parametrize("key", ["plain", "a/b c/d", "a=1/b%20c", "ünïcode/Ωmega", "a/x.y-z_+~@!"])
    def test_takes_keys_as_they_are(self, storage: Storage, key: str, tmp_path: Path) -> None:
        storage.put(key, b"x")
        assert storage.get(key) == b"x"
        assert list(storage.list("")) == [key]
        assert storage.fetch(key, tmp_path / "fetched").read_bytes() == b"x"

    @pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "a/../b", "../b", "a/./b"])
    def test_refuses_keys_that_lead_elsewhere(self, storage: Storage, key: str, tmp_path: Path) -> None:
        for use in (
            lambda: storage.put(key, b""),
            lambda: storage.create(key, b""),
            lambda: storage.get(key),
            lambda: storage.fetch(key, tmp_path / "fetched"),
        ):
            with pytest.raises(StorageError) as caught:
                use()
            assert repr(key) in caught.value.message
            assert caught.value.remedy

    def test_an_object_that_is_not_there_is_not_found_by_its_name(self, storage: Storage, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError, match="models/none"):
            storage.get("models/none")
        with pytest.raises(NotFoundError, match="models/none"):
            storage.fetch("models/none", tmp_path / "fetched")

    def test_put_replaces(self, storage: Storage) -> None:
        storage.put("a", b"a longer old value")
        storage.put("a", b"new")
        assert storage.get("a") == b"new"

    def test_create_writes_once(self, storage: Storage) -> None:
        assert storage.create("a", b"first") is True
        assert storage.create("a", b"second") is False
        assert storage.get("a") == b"first"

    def test_create_respects_what_was_put_and_what_was_deleted(self, storage: Storage) -> None:
        storage.put("a", b"put")
        assert storage.create("a", b"created") is False
        storage.delete("a")
        assert storage.create("a", b"created") is True

    def test_of_many_threads_that_create_one_wins(self, storage: Storage) -> None:
        for round_ in range(10):
            key = f"endpoints/e/{round_}"
            with ThreadPoolExecutor(8) as pool:
                won = list(pool.map(lambda rival, key=key: storage.create(key, _body(rival)), range(8)))
            assert won.count(True) == 1
            assert storage.get(key) == _body(won.index(True))

    def test_readers_see_the_old_bytes_or_the_new(self, storage: Storage) -> None:
        bodies = {_body(0), _body(1)}
        storage.put("a", _body(0))
        over = Event()

        def read() -> list[bytes]:
            wrong = []
            while not over.is_set():
                if (seen := storage.get("a")) not in bodies:
                    wrong.append(seen[:20])
            return wrong

        with ThreadPoolExecutor(2) as pool:
            readers = [pool.submit(read) for _ in range(2)]
            for turn in range(60):
                storage.put("a", _body(turn % 2))
            over.set()
            assert [reader.result() for reader in readers] == [[], []]

    def test_lists_a_folder_in_lexical_order(self, storage: Storage) -> None:
        keys = ["a/10", "a/2", "a/B", "a/b-c", "a/b.c", "a/b/c", "a/b0", "ab/c", "b"]
        for key in reversed(keys):
            storage.put(key, b"")
        assert list(storage.list("a")) == list(storage.list("a/")) == sorted(keys[:7])
        assert list(storage.list("a/b")) == ["a/b/c"]
        assert list(storage.list("")) == sorted(keys)

    def test_lists_nothing_for_a_folder_that_is_not_there(self, storage: Storage) -> None:
        assert list(storage.list("nowhere")) == []

    def test_delete_removes_one_and_may_be_repeated(self, storage: Storage) -> None:
        storage.put("a/1", b"")
        storage.put("a/2", b"")
        storage.delete("a/1")
        storage.delete("a/1")
        assert list(storage.list("a")) == ["a/2"]

    @pytest.mark.parametrize("size", [0, 10, 9_000_000])
    def test_uploads_a_file(self, storage: Storage, tmp_path: Path, size: int) -> None:
        file = tmp_path / "file.bin"
        file.write_bytes(b"0123456789" * (size // 10))
        storage.upload("data/file.bin", file)
        assert storage.get("data/file.bin") == file.read_bytes()

    def test_uploading_a_file_that_is_not_there_leaves_nothing(self, storage: Storage, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError, match=r"none\.bin"):
            storage.upload("data/none.bin", tmp_path / "none.bin")
        assert list(storage.list("")) == []

    @pytest.mark.parametrize("size", [0, 10, 9_000_000])
    def test_moves_a_file_to_where_another_object_was(self, storage: Storage, tmp_path: Path, size: int) -> None:
        file, data = tmp_path / "file.bin", b"0123456789" * (size // 10)
        file.write_bytes(data)
        storage.put("data/file.bin", b"old")
        storage.move("data/file.bin", file)
        assert storage.get("data/file.bin") == data
        assert not file.exists()

    def test_moving_a_file_that_is_not_there_leaves_nothing(self, storage: Storage, tmp_path: Path) -> None:
        with pytest.raises(NotFoundError, match=r"none\.bin"):
            storage.move("data/none.bin", tmp_path / "none.bin")
        assert list(storage.list("")) == []

    def test_fetches_an_object_as_a_file_once(self, storage: Storage, tmp_path: Path) -> None:
        storage.put("bundles/x/model.bin", b"weights" * 2_000_000)
        file = storage.fetch("bundles/x/model.bin", tmp_path / "fetched")
        assert file.read_bytes() == b"weights" * 2_000_000
        assert storage.fetch("bundles/x/model.bin", tmp_path / "fetched") == file
        if file.is_relative_to(tmp_path / "fetched"):
            storage.delete("bundles/x/model.bin")
            assert storage.fetch("bundles/x/model.bin", tmp_path / "fetched") == file
            assert [path for path in (tmp_path / "fetched").rglob("*") if path.is_file()] == [file]

    def test_a_folder_goes_up_and_comes_back(self, storage: Storage, tmp_path: Path) -> None:
        files = {"bundle.json": b"{}", "model/weights.bin": b"w", "model/code/a.py": b"pass"}
        for name, data in files.items():
            (tmp_path / "up" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "up" / name).write_bytes(data)
        upload_folder(storage, "bundles/one", tmp_path / "up")
        down = fetch_folder(storage, "bundles/one", tmp_path / "down")
        assert {name: (down / name).read_bytes() for name in files} == files


class SharedStorageExam(StorageExam):
    """For stores that several processes reach. Fixture `reopen`, too: opens `storage` anew, and can be pickled."""

    def test_another_opening_sees_the_same_objects(self, storage: Storage, reopen: Callable[[], Storage]) -> None:
        storage.put("a/b", b"1")
        assert reopen().get("a/b") == b"1"
        assert list(reopen().list("")) == ["a/b"]

    def test_of_many_processes_that_create_one_wins(self, storage: Storage, reopen: Callable[[], Storage]) -> None:
        keys = [f"endpoints/e/{number}" for number in range(50)]
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(3, mp_context=spawn) as pool:
            won = list(pool.map(_create_all, [reopen] * 3, [keys] * 3, range(3)))
        for place, key in enumerate(keys):
            winners = [rival for rival in range(3) if won[rival][place]]
            assert len(winners) == 1
            assert storage.get(key) == _body(winners[0])


def _body(rival: int) -> bytes:
    return f"{rival} was here\n".encode() * 20_000


def _create_all(reopen: Callable[[], Storage], keys: list[str], rival: int) -> list[bool]:
    storage = reopen()
    return [storage.create(key, _body(rival)) for key in keys]
