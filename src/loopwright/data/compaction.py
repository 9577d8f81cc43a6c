"""Compaction: the many small segments of an hour become one, in steps that may be cut short anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from loopwright.core.codec import to_json
from loopwright.data.captures import COMPACTED, RECORD, Captured, Compaction, look_at_captures
from loopwright.ports.storage import Storage
from loopwright.traffic.predictions import predictions_folder

FEW = 8
"""An hour of fewer segments stays as it is."""

SETTLED = timedelta(minutes=10)
"""How long after its end an hour is left alone, since its last records may come late."""

GRACE = timedelta(minutes=10)
"""How long replaced segments stay, for whoever is reading them."""

COPIES = "compaction-"
"""How the folders begin in which segments are put together; who is killed leaves one."""

ROWS = 100_000
"""Rows of a row group; memory is bounded by them."""


def compact(storage: Storage, endpoint: str, now: datetime, scratch: Path, *, hours: int = 6) -> int:
    """Compact up to `hours` settled hours of an endpoint and delete what was replaced long enough ago; how many were.

    Cut short anywhere, it leaves every row readable exactly once; the next time goes on, and takes away what is left
    over. Raises `StorageError`.
    """
    seen = look_at_captures(storage, endpoint, date.min, date.max)
    _delete_replaced(storage, seen.records, now)
    done = 0
    for hour, keys in _by_hour(seen.keys):
        if done < hours and len(keys) >= FEW and hour + timedelta(hours=1) + SETTLED <= now:
            with TemporaryDirectory(prefix=COPIES, dir=scratch) as place:
                done += _compact_hour(storage, _Hour(endpoint, hour, seen.records), keys, now, Path(place))
    _delete_lost(storage, seen, now)
    return done


class _Hour:
    """Names of an hour's compactions. They are numbered from what was seen when they were decided upon: of two
    compactors that decide upon the same, one finds its number taken.
    """

    def __init__(self, endpoint: str, hour: datetime, records: Iterable[str]) -> None:
        self._start = f"{predictions_folder(endpoint, hour)}{hour:%H}"
        taken = [
            key[len(self._start) + 1 :].removesuffix(RECORD) for key in records if key.startswith(f"{self._start}-")
        ]
        self.number = max(map(int, taken), default=-1) + 1

    @property
    def record(self) -> str:
        return f"{self._start}-{self.number:04d}{RECORD}"

    def whole(self) -> str:
        """A new name, so that what two compactors write at the same moment are two objects."""
        return f"{self._start}0000{COMPACTED}{self.number:04d}-{token_hex(6)}.parquet"


def _compact_hour(storage: Storage, hour: _Hour, keys: Sequence[str], now: datetime, place: Path) -> int:
    """One compaction for each set of columns that the hour's segments have; 1 where any was made."""
    by_schema: dict[pa.Schema, dict[str, Path]] = {}
    for key in keys:
        path = storage.fetch(key, place)
        by_schema.setdefault(pq.read_schema(path), {})[key] = path
    several = [(schema, sources) for schema, sources in by_schema.items() if len(sources) > 1]
    made = 0
    for schema, sources in several:
        if not _commit(storage, hour, schema, sources, now, place):
            break  # another compactor is at this hour, and may have taken the next number for what we have here
        made = 1
    return made


def _commit(
    storage: Storage, hour: _Hour, schema: pa.Schema, sources: dict[str, Path], now: datetime, place: Path
) -> bool:
    """Write the whole, then say so; False where another compactor was first: its word counts, and ours is nothing."""
    whole = hour.whole()
    written = place / "whole.parquet"
    _merge(sources.values(), written, schema)
    storage.upload(whole, written)
    ours = storage.create(hour.record, to_json(Compaction(into=whole, sources=tuple(sources), at=now)))
    if not ours:
        storage.delete(whole)
    hour.number += 1
    return ours


def _merge(paths: Iterable[Path], into: Path, schema: pa.Schema) -> None:
    texts = [field.name for field in schema if field.type == pa.string()]
    with pq.ParquetWriter(into, schema, compression="zstd", use_dictionary=texts) as writer:
        waiting: list[pa.Table] = []
        for path in paths:
            waiting.append(pq.read_table(path, schema=schema))
            if sum(table.num_rows for table in waiting) >= ROWS:
                writer.write_table(pa.concat_tables(waiting))
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting))


def _delete_replaced(storage: Storage, records: dict[str, Compaction], now: datetime) -> None:
    """In the order of the records, so that one that is replaced itself has no sources any more when it goes."""
    made_by = {record.into: key for key, record in records.items()}
    for key, record in sorted(records.items()):
        if not record.sources or record.at + GRACE > now:
            continue
        for source in record.sources:
            storage.delete(source)
            if source in made_by:
                storage.delete(made_by[source])
        # Names of what is gone are only a burden to whoever reads the record.
        storage.put(key, to_json(Compaction(into=record.into, sources=(), at=record.at)))


def _delete_lost(storage: Storage, seen: Captured, now: datetime) -> None:
    """Wholes that were never committed: whoever wrote them was cut short. One whose number is free may be about to be
    committed, so its number is taken first, for nothing.
    """
    nothing = to_json(Compaction(into="", sources=(), at=now))
    for key in seen.unnamed:
        if found := _WHOLE.fullmatch(key):
            record = f"{found['start']}-{found['number']}{RECORD}"
            if record in seen.records or storage.create(record, nothing):
                storage.delete(key)


def _by_hour(keys: Sequence[str]) -> Iterator[tuple[datetime, list[str]]]:
    for prefix, found in groupby(keys, key=_hour_of):
        if prefix is not None:
            yield prefix, list(found)


def _hour_of(key: str) -> datetime | None:
    """The hour in a segment's key, `…/<day>/<HHMMSS>-…`; None for what is not named so."""
    day, _, name = key.rpartition("/")
    try:
        return datetime.strptime(f"{day.rsplit('/', 1)[1]} {name[:2]} +0000", "%Y-%m-%d %H %z")
    except ValueError:
        return None


_WHOLE = re.compile(rf"(?P<start>.*/\d\d)0000{COMPACTED}(?P<number>\d+)-[0-9a-f]+\.parquet")
