"""Copies of bundles are removed when nobody holds them, and never from under one who does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loopwright.errors import StorageError
from loopwright.serving.copies import Copies

ONE, OTHER = "1" * 64, "2" * 64


def test_what_one_holds_another_does_not_remove(tmp_path: Path) -> None:
    mine, theirs = Copies(tmp_path), Copies(tmp_path)
    path = mine.hold(ONE)
    assert mine.hold(ONE) == path == theirs.hold(ONE)
    mine.keep_only([])
    assert path.is_dir()
    theirs.keep_only([OTHER])
    assert not path.exists()
    assert mine.hold(ONE).is_dir()


def test_what_is_wanted_stays_though_nobody_holds_it_and_what_is_no_copy_too(tmp_path: Path) -> None:
    (tmp_path / ONE[:16]).mkdir()
    (tmp_path / "else").mkdir()
    (tmp_path / OTHER[:16]).write_text("no folder")
    Copies(tmp_path).keep_only([ONE])
    assert sorted(path.name for path in tmp_path.iterdir()) == [ONE[:16], OTHER[:16], "else"]
    Copies(tmp_path / "nowhere").keep_only([])


def test_a_copy_that_is_cleared_is_still_held(tmp_path: Path) -> None:
    mine = Copies(tmp_path)
    path = mine.hold(ONE)
    (path / "bundles").mkdir()
    mine.clear(ONE)
    assert list(path.iterdir()) == []
    Copies(tmp_path).keep_only([])
    assert path.is_dir()


def test_what_a_killed_process_held_can_be_removed(tmp_path: Path) -> None:
    code = "import sys, time; from pathlib import Path; from loopwright.serving.copies import Copies"
    code += f"; held = Copies(Path(sys.argv[1])); held.hold('{ONE}'); print(1, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        Copies(tmp_path).keep_only([])
        assert (tmp_path / ONE[:16]).is_dir()
        os.kill(process.pid, signal.SIGKILL)
    Copies(tmp_path).keep_only([])
    assert not (tmp_path / ONE[:16]).exists()


def test_many_at_once_lose_nothing_that_they_hold(tmp_path: Path) -> None:
    def work(number: int) -> int:
        copies, lost = Copies(tmp_path), 0
        for turn in range(200):
            digest = (ONE, OTHER)[(turn + number) % 2]
            path = copies.hold(digest) / f"{number}"
            path.write_text("mine")
            lost += not path.is_file()
            if turn % 5:
                copies.keep_only([digest] if turn % 3 else [])
            else:
                copies.let_go(digest)
        return lost

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(work, range(4))) == [0] * 4


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("no folder")
    with pytest.raises(StorageError, match="cannot be made: File exists"):
        Copies(tmp_path / "spool").hold(ONE)
    (tmp_path / ONE[:16]).write_text("no folder")
    with pytest.raises(StorageError, match="cannot be made: Not a directory"):
        Copies(tmp_path).hold(ONE)
