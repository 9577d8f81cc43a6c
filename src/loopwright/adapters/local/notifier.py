"""`ports.Notifier` into a file: one JSON line a notice, for people to read and other programs to follow."""

from __future__ import annotations

import fcntl
from pathlib import Path

from loopwright.core.codec import from_json, to_json
from loopwright.errors import StorageError
from loopwright.ports.notifier import Notice


class LogNotifier:
    """Appends each notice to `notices.jsonl` in `folder`; one whose id stands there already is left out."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notices.jsonl"

    def send(self, notice: Notice) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                kept = file.read()
                if notice.id not in _ids(kept):
                    file.write(b"\n" * _torn(kept) + to_json(notice) + b"\n")
        except OSError as error:
            raise StorageError(
                f"notice {notice.id} could not be written to {self.path}: {error.strerror}",
                remedy="check the folder's disk and permissions; it is sent again later",
            ) from error


def _ids(lines: bytes) -> set[str]:
    return {id_ for line in lines.splitlines() if (id_ := _id(line)) is not None}


def _id(line: bytes) -> str | None:
    try:
        return from_json(line, Notice).id
    except ValueError:  # torn: the machine stopped while it was written
        return None


def _torn(lines: bytes) -> bool:
    return bool(lines) and not lines.endswith(b"\n")
