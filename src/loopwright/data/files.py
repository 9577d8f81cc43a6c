"""A file of a source, wherever it lies, and how the end of its name says it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loopwright.errors import SourceError

SUFFIXES = {
    ".csv": "delimited",
    ".tsv": "delimited",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""How a file is read, by how its name ends."""

FORMATS = (
    f"name local paths or URLs such as s3://bucket/folder, files that end in {', '.join(SUFFIXES)}, "
    "or read anything else by SQL (a source that begins with SELECT)"
)
"""The remedy where a source names nothing that can be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile:
    """One file of a source. `mark` changes when a remote file does; None for a local one, whose bytes tell.

    `bring(folder)` gives it as a local file, copying a remote one into `folder`; `sample(folder)` gives one with its
    columns and first rows, reading no more of a remote one than that takes.
    """

    origin: str
    format: str
    mark: str | None
    bring: Callable[[Path], Path]
    sample: Callable[[Path], Path]


def format_of(origin: str) -> str:
    """How the file called `origin` is read. Raises `SourceError` where its name does not say."""
    suffix = Path(origin).suffix.lower()
    if suffix not in SUFFIXES:
        raise SourceError(
            f"{origin} ends in {suffix or 'no extension'}, which is no known kind of table", remedy=FORMATS
        )
    return SUFFIXES[suffix]


def is_readable(key: str) -> bool:
    """Whether a file found in a folder is meant: of a known kind, and neither hidden nor temporary (`.x`, `_x`)."""
    path = Path(key)
    return path.suffix.lower() in SUFFIXES and not any(part.startswith((".", "_")) for part in path.parts)
