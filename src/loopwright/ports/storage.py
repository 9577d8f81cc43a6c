"""Where objects live: bundles, snapshots, endpoint revisions, predictions. A local directory or a cloud store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from loopwright.errors import NotFoundError


class Storage(Protocol):
    """Objects by key (`/`-separated). All methods raise `StorageError` when the store is full, read-only or away."""

    def get(self, key: str) -> bytes:
        """The object's bytes. Raises `NotFoundError`."""

    def put(self, key: str, data: bytes) -> None:
        """Write the object whole, replacing what was there; readers see the old bytes or the new, never a mixture."""

    def create(self, key: str, data: bytes) -> bool:
        """Write the object if none is there; of several at once exactly one is told True."""

    def list(self, prefix: str) -> Iterator[str]:
        """Every key that lies below the folder `prefix`, in lexical order."""

    def delete(self, key: str) -> None:
        """Remove the object; nothing happens where there is none."""

    def upload(self, key: str, path: Path) -> None:
        """Write a file's content as the object, streaming."""

    def move(self, key: str, path: Path) -> None:
        """As `upload`, and the file is gone then: where the store is local it only changes its name."""

    def fetch(self, key: str, folder: Path) -> Path:
        """The object as a local file: the stored file itself where the store is local, else a copy below `folder`.

        The object must be one that never changes: a copy already there is not read again. Raises `NotFoundError`.
        """


def upload_folder(storage: Storage, prefix: str, folder: Path) -> None:
    """Every file below `folder` as an object below `prefix`; `bundle.json`, which vouches for the rest, comes last."""
    files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.name == "bundle.json")
    for path in files:
        storage.upload(f"{prefix.rstrip('/')}/{path.relative_to(folder).as_posix()}", path)


def fetch_folder(storage: Storage, prefix: str, folder: Path) -> Path:
    """All objects below `prefix` as local files; returns the folder that holds them. Raises `NotFoundError`."""
    prefix = prefix.rstrip("/")
    root: Path | None = None
    for key in storage.list(f"{prefix}/"):
        relative = Path(key[len(prefix) + 1 :])
        root = storage.fetch(key, folder).parents[len(relative.parts) - 1]
    if root is None:
        raise NotFoundError(f"nothing is stored below {prefix!r}", remedy="check the name; it may have been collected")
    return root
