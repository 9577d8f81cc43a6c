"""Content digests: the names of things that never change."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from loopwright.core.codec import to_json


def digest_bytes(data: bytes) -> str:
    """SHA-256 of `data`, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest_record(record: Any) -> str:
    """SHA-256 of the record's canonical JSON: equal records have equal digests."""
    return digest_bytes(to_json(record))


def digest_file(path: Path) -> str:
    """SHA-256 of a file's content, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_all(digests: Iterable[str]) -> str:
    """One digest for several, in the order given."""
    return digest_bytes("\n".join(digests).encode())
