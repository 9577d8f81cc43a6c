"""Copies of bundles on local disk: shared by all workers and servers of a spool, and kept as long as one holds them.

A copy is a folder. Who uses it holds a shared lock on it, which the kernel takes back from a process that dies.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loopwright.errors import StorageError


class Copies:
    """The copies in `folder`, by their bundles' digests. One thread may use it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, int] = {}

    def hold(self, digest: str) -> Path:
        """The folder of this bundle's copy, whatever is in it: from now on nobody removes it. Raises `StorageError`."""
        name = _name(digest)
        path = self._folder / name
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            while name not in self._held:
                with suppress(FileExistsError):
                    path.mkdir()
                lock = hold_folder(path)
                if lock is not None:
                    self._held[name] = lock
        except OSError as error:
            raise StorageError(f"{path} cannot be made: {error.strerror}", remedy="mend the spool") from error
        return path

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Meanwhile nobody else fetches into these copies, or clears one. Whoever waits finds what was fetched."""
        lock = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def clear(self, digest: str) -> None:
        """Remove what is in a copy that is held."""
        for path in (self._folder / _name(digest)).iterdir():
            shutil.rmtree(path, ignore_errors=True)

    def let_go(self, digest: str) -> None:
        """Hold this one no more, and remove it unless another does."""
        name = _name(digest)
        os.close(self._held.pop(name))
        remove_unless_held(self._folder / name)

    def keep_only(self, digests: Collection[str]) -> None:
        """Hold no copies but these, and remove all others that nobody holds."""
        wanted = {_name(digest) for digest in digests}
        for name in self._held.keys() - wanted:
            os.close(self._held.pop(name))
        for path in self._folder.glob("*"):
            if _NAME.fullmatch(path.name) and path.name not in wanted:
                remove_unless_held(path)


def hold_folder(path: Path) -> int | None:
    """A lock that keeps others from removing the folder until it is closed; None where it was removed right now."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    with suppress(OSError):  # a file system without locks: then nobody removes anything, either
        fcntl.flock(lock, fcntl.LOCK_SH)
    if _is_at(lock, path):
        return lock
    os.close(lock)
    return None


def remove_unless_held(path: Path) -> None:
    """Remove a folder that nobody holds. One that was removed and made anew meanwhile is another folder, and stays."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(lock, path):
            shutil.rmtree(path, ignore_errors=True)
    except OSError:
        pass  # somebody holds it
    finally:
        os.close(lock)


def _is_at(lock: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), path.stat())
    except FileNotFoundError:
        return False


def _name(digest: str) -> str:
    return digest[:16]


_NAME = re.compile("[0-9a-f]{16}")
