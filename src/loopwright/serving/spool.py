"""What the object store shall have, on local disk until it has it: a store that is away, or a crash, loses nothing."""

from __future__ import annotations

import fcntl
import logging
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import IO

from loopwright.core.clock import Clock
from loopwright.errors import LoopwrightError
from loopwright.ports.storage import Storage

log = logging.getLogger("loopwright.serving")


class Spool:
    """A folder of objects to be, each below it at its key's path. `limit` is in bytes.

    The folder is this process's own, held by a lock; those of dead processes beside it are sent as well.
    """

    def __init__(self, root: Path, owner: str, storage: Storage, limit: int, clock: Clock) -> None:
        self._root = root / "outgoing"
        self._own = self._root / owner
        self._own.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self._own)
        self._storage = storage
        self._limit = limit
        self._clock = clock
        self._adding = Lock()
        left = tuple(_objects(self._own))
        self._since = dict.fromkeys(left, clock.now())
        # The one is changed under the lock, the other by the thread that sends.
        self._added, self._sent = sum(path.stat().st_size for path in left), 0
        self.away: str | None = None

    def add(self, key: str, data: bytes | memoryview) -> bool:
        """Keep an object until it is sent; False where the spool is full or the disk refuses: then it is not kept."""
        path = self._own / key
        with self._adding:
            return path in self._since or self._keep(path, data)

    def _keep(self, path: Path, data: bytes | memoryview) -> bool:
        if self.waiting_bytes + len(data) > self._limit:
            return False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{path.name}{_PARTIAL}")
            partial.write_bytes(data)
            self._since[path] = self._clock.now()  # before it can be sent, which ends it
            partial.replace(path)
        except OSError as error:
            log.warning("the spool %s refuses: %s", self._own, error)
            self._since.pop(path, None)
            return False
        self._added += len(data)
        return True

    def send(self) -> bool:
        """Upload what is kept, oldest first, and forget it; False where the store refuses: the rest stays."""
        try:
            for path in _objects(self._own):
                size = path.stat().st_size
                self._storage.move(path.relative_to(self._own).as_posix(), path)
                self._sent += size
                self._since.pop(path, None)
        except (LoopwrightError, OSError) as error:
            if self.away is None:
                log.warning("captures wait in %s: %s", self._own, error)
            self.away = str(error)
            return False
        self.away = None
        return True

    def adopt(self) -> None:
        """Send what dead processes left behind."""
        for folder in sorted(self._root.iterdir()):
            lock = None if folder == self._own or not folder.is_dir() else _lock(folder)
            if lock is not None:
                with lock:
                    self._send_left(folder)

    def close(self) -> None:
        """Let go of the folder; what could not be sent stays for the next process."""
        if not any(_objects(self._own)):
            shutil.rmtree(self._own, ignore_errors=True)
        if self._lock:
            self._lock.close()

    @property
    def waiting_bytes(self) -> int:
        return self._added - self._sent

    @property
    def oldest(self) -> datetime | None:
        """When the first of the objects that wait was added."""
        return next(iter(tuple(self._since.values())), None)

    def _send_left(self, folder: Path) -> None:
        try:
            for path in _objects(folder):
                self._storage.move(path.relative_to(folder).as_posix(), path)
            shutil.rmtree(folder, ignore_errors=True)
        except (LoopwrightError, OSError) as error:
            log.warning("what is left in %s waits: %s", folder, error)


def _objects(folder: Path) -> Iterator[Path]:
    """The finished files below `folder`, oldest first."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != _LOCK)
    yield from sorted((path for path in files if not path.name.endswith(_PARTIAL)), key=lambda path: path.name)


def _lock(folder: Path) -> IO[bytes] | None:
    """The folder's lock, held as long as the file is open; None where another process holds it."""
    try:
        file = (folder / _LOCK).open("wb")
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


_PARTIAL = ".partial"
_LOCK = ".lock"
