"""Every kind of store through the exam, and what each of them says when it refuses."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from loopwright.adapters.obstore.storage import open_storage
from loopwright.errors import NotFoundError, SettingsError, StorageError
from loopwright.testing.exams.storage import SharedStorageExam, StorageExam


class TestLocalFolder(SharedStorageExam):
    @pytest.fixture
    def reopen(self, tmp_path):
        return partial(open_storage, str(tmp_path / "store"))

    @pytest.fixture
    def storage(self, reopen):
        return reopen()


class TestMemory(StorageExam):
    @pytest.fixture
    def storage(self):
        return open_storage("memory://")


@pytest.fixture(scope="module")
def s3_server():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_bucket(s3_server, monkeypatch, request):
    settings = {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    bucket = f"bucket-{abs(hash(request.node.nodeid)):x}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return bucket


class TestS3(SharedStorageExam):
    @pytest.fixture
    def reopen(self, s3_bucket):
        return partial(open_storage, f"s3://{s3_bucket}/some/where")

    @pytest.fixture
    def storage(self, reopen):
        return reopen()

    def test_keys_lie_below_the_prefix_of_the_url(self, storage, s3_bucket):
        storage.put("a/b", b"1")
        found = boto3.client("s3").list_objects_v2(Bucket=s3_bucket)
        assert [entry["Key"] for entry in found["Contents"]] == ["some/where/a/b"]

    def test_lists_more_than_one_page(self, storage):
        keys = [f"page/{number:04}" for number in range(1003)]
        for key in keys:
            storage.put(key, b"")
        assert list(storage.list("page")) == keys

    def test_a_bucket_that_is_not_there_is_told_with_the_key(self, s3_bucket):
        with pytest.raises((StorageError, NotFoundError), match="'a/b'"):
            open_storage("s3://no-such-bucket-anywhere").put("a/b", b"1")


def test_a_file_url_is_a_folder_and_is_made(tmp_path):
    storage = open_storage(f"file://{tmp_path}/new%20folder/deep")
    storage.put("a", b"1")
    assert (tmp_path / "new folder/deep/a").read_bytes() == b"1"


def test_a_local_object_is_fetched_as_the_stored_file_itself(tmp_path):
    storage = open_storage(str(tmp_path / "store"))
    storage.put("a/b", b"1")
    assert storage.fetch("a/b", tmp_path / "elsewhere") == tmp_path / "store/a/b"
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_on_another_disk_is_moved_all_the_same(tmp_path, monkeypatch):
    storage, file = open_storage(str(tmp_path / "store")), tmp_path / "file.bin"
    file.write_bytes(b"rows")

    def elsewhere(*_):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "replace", elsewhere)
    storage.move("data/file.bin", file)
    assert storage.get("data/file.bin") == b"rows"
    assert not file.exists()


def test_what_a_killed_writer_left_is_not_listed(tmp_path):
    storage = open_storage(str(tmp_path))
    storage.put("a/b", b"1")
    (tmp_path / "a/c#1").write_bytes(b"half an obj")  # how obstore names a file while it writes it
    assert list(storage.list("a")) == ["a/b"]


@pytest.mark.parametrize("url", ["ftp://somewhere/x", "s3://", "nonsense://"])
def test_a_url_that_names_no_store_is_refused(url):
    with pytest.raises(SettingsError) as caught:
        open_storage(url)
    assert url in caught.value.message
    assert caught.value.remedy


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="file/store could not be made") as caught:
        open_storage(str(tmp_path / "file/store"))
    assert "a file stands where a folder is needed" in caught.value.remedy


def test_an_object_below_an_object_names_the_key_and_the_remedy(tmp_path):
    storage = open_storage(str(tmp_path))
    storage.put("a", b"1")
    with pytest.raises(StorageError, match="'a/b' could not be written") as caught:
        storage.put("a/b", b"2")
    assert "a file stands where a folder is needed" in caught.value.remedy


def test_a_full_disk_names_the_key_and_leaves_the_old_object_whole(tmp_path):
    told = _on_small_disk(
        tmp_path,
        """
        storage.put("a/b", b"old")
        for write in (storage.put, storage.create):
            try:
                write("a/b" if write == storage.put else "a/c", b"x" * 1_000_000)
            except StorageError as error:
                print(error.message, "|", error.remedy)
        print(storage.get("a/b"), list(storage.list("")))
        """,
    )
    assert "object 'a/b' could not be written" in told[0]
    assert "object 'a/c' could not be created" in told[1]
    assert all("the disk is full" in line for line in told[:2])
    assert told[2] == "b'old' ['a/b']"


def test_a_read_only_disk_names_the_key_and_the_remedy(tmp_path):
    told = _on_small_disk(
        tmp_path,
        """
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        try:
            storage.put("a/b", b"new")
        except StorageError as error:
            print(error.message, "|", error.remedy)
        """,
    )
    assert "object 'a/b' could not be written" in told[0]
    assert "read-only" in told[0]


def test_a_folder_without_permission_names_the_key_and_the_remedy(tmp_path):
    storage = open_storage(str(tmp_path))
    tmp_path.chmod(0o500)
    with _as_nobody(), pytest.raises(StorageError, match="'a/b' could not be written") as caught:
        storage.put("a/b", b"1")
    assert "permissions" in caught.value.remedy


@contextmanager
def _as_nobody():
    """Root may write everywhere; nobody may not."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def _on_small_disk(tmp_path, script):
    """What `script` prints, run with a store on a file system of 64 KiB that exists for that process alone."""
    program = f"""
import subprocess
from loopwright.adapters.obstore.storage import open_storage
from loopwright.errors import StorageError
folder = {str(tmp_path)!r}
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
storage = open_storage(folder)
{textwrap.dedent(script)}
"""
    can = shutil.which("unshare") and subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0
    if not can:
        pytest.skip("this system lets nobody mount a disk of his own (unshare -rm)")
    ran = subprocess.run(["unshare", "-rm", sys.executable, "-c", program], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()
