"""A store that lives in a dictionary."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Lock

from loopwright.errors import NotFoundError, StorageError


class MemoryStorage:
    """`ports.Storage` in memory, for tests; `objects` shows what is stored."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self._lock = Lock()

    def get(self, key: str) -> bytes:
        try:
            return self.objects[_sound(key)]
        except KeyError:
            raise NotFoundError(f"object {key!r} is not in the store") from None

    def put(self, key: str, data: bytes) -> None:
        self.objects[_sound(key)] = bytes(data)

    def create(self, key: str, data: bytes) -> bool:
        with self._lock:
            if key in self.objects:
                return False
            self.put(key, data)
            return True

    def list(self, prefix: str) -> Iterator[str]:
        folder = f"{prefix.rstrip('/')}/".lstrip("/")
        return iter(sorted(key for key in tuple(self.objects) if key.startswith(folder)))

    def delete(self, key: str) -> None:
        self.objects.pop(key, None)

    def upload(self, key: str, path: Path) -> None:
        if not path.is_file():
            raise NotFoundError(f"{path} cannot be stored as {key!r}: there is no such file")
        self.put(key, path.read_bytes())

    def move(self, key: str, path: Path) -> None:
        self.upload(key, path)
        path.unlink()

    def fetch(self, key: str, folder: Path) -> Path:
        target = folder / _sound(key)
        if not target.is_file():
            data = self.get(key)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return target


def _sound(key: str) -> str:
    if any(name in ("", ".", "..") for name in key.split("/")):
        raise StorageError(f"{key!r} is no key of an object", remedy="use names parted by slashes")
    return key
