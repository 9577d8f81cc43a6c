"""Captured predictions in the object store: which objects hold every row exactly once, at any moment.

Servers write many small segments; compaction puts an hour's into one, and commits that by creating a record of what was
replaced. What no record speaks of yet is no part of the whole, and what a record replaced no longer is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from loopwright.core.codec import from_json
from loopwright.errors import NotFoundError, StorageError
from loopwright.ports.storage import Storage
from loopwright.traffic.predictions import predictions_folder

RECORD = ".compaction.json"
COMPACTED = "-compacted-"


@dataclass(frozen=True, kw_only=True, slots=True)
class Compaction:
    """The rows of `sources` are in `into`, since `at`. Once the sources are deleted they are named no more.

    Where `into` is empty the record only holds its number, so that what was written for it is never committed.
    """

    into: str
    sources: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Captured:
    """What was seen at one look: the objects that are the whole, in the order of time, and the records by key.

    `unnamed` are compacted objects that no record speaks of: not yet, or never, where whoever wrote them was cut short.
    """

    keys: tuple[str, ...]
    records: dict[str, Compaction]
    unnamed: tuple[str, ...]


def look_at_captures(storage: Storage, endpoint: str, first: date, last: date) -> Captured:
    """The Parquet objects of the UTC days `first` to `last`, each row in one of them.

    Read them soon: the replaced ones are deleted ten minutes after they are. Whoever finds one gone looks again.
    Raises `StorageError` where a record is damaged.
    """
    listed = tuple(_within(storage, endpoint, first, last))
    # The records come after the segments: what they replaced since is then known, and nothing is counted twice.
    records = dict(_records(storage, _within(storage, endpoint, first, last)))
    whole = {key for key in listed if key.endswith(".parquet") and COMPACTED not in key}
    made = {record.into for record in records.values() if record.into}
    keys = sorted((whole | made).difference(*(record.sources for record in records.values())))
    unnamed = tuple(key for key in listed if COMPACTED in key and key not in made)
    return Captured(keys=tuple(keys), records=records, unnamed=unnamed)


def _records(storage: Storage, keys: Iterator[str]) -> Iterator[tuple[str, Compaction]]:
    for key in keys:
        if key.endswith(RECORD):
            try:
                yield key, from_json(storage.get(key), Compaction)
            except NotFoundError:
                continue  # its day is over, and gone
            except ValueError as error:
                raise StorageError(f"{key} is no compaction: {error}", remedy="restore it from a backup") from error


def _within(storage: Storage, endpoint: str, first: date, last: date) -> Iterator[str]:
    folder = predictions_folder(endpoint)
    for key in storage.list(folder):
        if f"{first}" <= key[len(folder) :].split("/", 1)[0] <= f"{last}":
            yield key
