"""Snapshots: what a source holds now, kept as Parquet parts that are made once and shared by all later versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
from polars.exceptions import PolarsError

from loopwright.core.codec import from_json, to_json
from loopwright.core.digest import digest_all, digest_file
from loopwright.data import kinds as k
from loopwright.data.query import digest_result, run_query
from loopwright.data.reading import write_part
from loopwright.data.records import ColumnKind, DatasetVersion, Part
from loopwright.data.scratch import disk_refusal, working_folder
from loopwright.data.sources import SourceFile, is_query, list_source
from loopwright.errors import DataError, NotFoundError, SourceError
from loopwright.ports.storage import Storage

Progress = Callable[[str, float], None]


def snapshot(
    *, name: str, source: str, root: Path, storage: Storage, scratch: Path, progress: Progress | None = None
) -> DatasetVersion:
    """The version of dataset `name` that `source` holds now; unchanged files are not copied again.

    `source` is a path, glob or directory relative to `root`, an object-store URL, or a SQL query that DuckDB runs.
    Raises `SourceError`, naming the file, where anything cannot be read; nothing is recorded then.
    """
    with working_folder(scratch) as folder:
        keeper = _Keeper(name, storage, folder)
        if is_query(source):
            kept = [keeper.keep_query(source, root)]
        else:
            kept = keeper.keep_files(list_source(source, root), progress or _silent)
    version = make_version(name, source, [part for part, _ in kept], _agreed(kept))
    storage.create(version_key(name, version.digest), to_json(version))
    return version


def load_rows(version: DatasetVersion, storage: Storage, scratch: Path) -> pl.LazyFrame:
    """The version's rows, lazily, in its order, its column order and its kinds."""
    return pl.concat(load_parts(version, storage, scratch))


def load_parts(version: DatasetVersion, storage: Storage, scratch: Path) -> list[pl.LazyFrame]:
    """The rows of each part, lazily, as `load_rows` gives them; a column that a part does not have is null in it.

    A version with no part gives one frame with no row.

    Columns stand as in the parts: a record that has been through JSON no longer knows the order of its `kinds`.
    """
    if not version.parts:
        return [pl.LazyFrame(schema={name: k.DTYPES[kind] for name, kind in version.kinds.items()})]
    parts = [pl.scan_parquet(storage.fetch(part.key, scratch), glob=False) for part in version.parts]
    schemas = [part.collect_schema() for part in parts]
    order = [name for name in dict.fromkeys(name for schema in schemas for name in schema) if name in version.kinds]
    return [
        part.select(_column(name, schema, version.kinds[name]) for name in order)
        for part, schema in zip(parts, schemas, strict=True)
    ]


@contextmanager
def stored_rows(version: DatasetVersion) -> Iterator[None]:
    """Turn what Polars raises over a stored part that is damaged into `DataError`."""
    try:
        yield
    except PolarsError as error:
        if disk_refusal(error) is not None:
            raise
        raise DataError(
            f"the stored rows of {version.dataset} {version.short} cannot be read: {str(error).splitlines()[0]}",
            remedy=f"remove datasets/{version.dataset} from the object store and run again: the source is read anew",
        ) from error


def make_version(dataset: str, source: str, parts: Sequence[Part], kinds: dict[str, ColumnKind]) -> DatasetVersion:
    """The version that consists of `parts`, read as `kinds`; its digest follows from both."""
    return DatasetVersion(
        digest=digest_all([*(part.digest for part in parts), *(f"{name}:{kinds[name]}" for name in sorted(kinds))]),
        dataset=dataset,
        source=source,
        parts=tuple(parts),
        rows=sum(part.rows for part in parts),
        kinds=kinds,
    )


def version_key(dataset: str, digest: str) -> str:
    """Where the record of a version lies."""
    return f"datasets/{dataset}/versions/{digest}.json"


def part_key(dataset: str, digest: str) -> str:
    """Where a part's rows lie."""
    return f"datasets/{dataset}/parts/{digest}.parquet"


@dataclass(frozen=True, kw_only=True, slots=True)
class PartFacts:
    """What a part holds, so that it need not be opened to know: written after its rows, and so vouching for them."""

    rows: int
    kinds: k.Kinds


def _column(name: str, schema: pl.Schema, kind: ColumnKind) -> pl.Expr:
    return k.as_kind(name, schema[name], kind) if name in schema else pl.lit(None, dtype=k.DTYPES[kind]).alias(name)


class _Keeper:
    """Keeps files as parts of one dataset."""

    def __init__(self, dataset: str, storage: Storage, folder: Path) -> None:
        self.dataset = dataset
        self.storage = storage
        self.folder = folder

    def keep_files(self, files: Sequence[SourceFile], progress: Progress) -> list[tuple[Part, PartFacts]]:
        seen = self._seen()
        kept = []
        for place, file in enumerate(files):
            progress(f"reading {file.origin}", place / len(files))
            kept.append(self._keep_file(file, seen))
        if seen != self._seen():
            self.storage.put(self._seen_key, to_json(seen))
        return kept

    def keep_query(self, query: str, root: Path) -> tuple[Part, PartFacts]:
        result = self.folder / "query.parquet"
        run_query(query, root, result)
        digest = digest_result(query, result)
        facts = self._known(digest) or self._write(result, "the query", "parquet", digest)
        return self._part(digest, facts, "query"), facts

    def _keep_file(self, file: SourceFile, seen: dict[str, tuple[str, str]]) -> tuple[Part, PartFacts]:
        mark, digest = seen.get(file.origin, ("", ""))
        facts = self._known(digest) if file.mark is not None and file.mark == mark else None
        if facts is None:
            path = file.bring(self.folder)
            before = _stamp(path)
            digest = _digest(path, file.origin)
            facts = self._known(digest) or self._write(path, file.origin, file.format, digest)
            if _stamp(path) != before:
                self._forget(digest)
                raise SourceError(
                    f"{file.origin} changed while it was read", remedy="wait until it is written, then run again"
                )
            if file.mark is not None:
                path.unlink()
                seen[file.origin] = (file.mark, digest)
        return self._part(digest, facts, file.origin), facts

    def _write(self, path: Path, origin: str, written: str, digest: str) -> PartFacts:
        target = self.folder / f"{digest}.parquet"
        part, kinds = write_part(path, origin, written, target)
        facts = PartFacts(rows=pq.read_metadata(part).num_rows, kinds=kinds)
        if not facts.rows:
            raise SourceError(
                f"{origin} has a header but no rows", remedy="wait until it holds rows, or name another source"
            )
        self.storage.upload(part_key(self.dataset, digest), part)
        target.unlink(missing_ok=True)
        self.storage.put(self._facts_key(digest), to_json(facts))
        return facts

    def _known(self, digest: str) -> PartFacts | None:
        try:
            return from_json(self.storage.get(self._facts_key(digest)), PartFacts)
        except NotFoundError:
            return None

    def _forget(self, digest: str) -> None:
        self.storage.delete(self._facts_key(digest))
        self.storage.delete(part_key(self.dataset, digest))

    def _part(self, digest: str, facts: PartFacts, origin: str) -> Part:
        return Part(key=part_key(self.dataset, digest), digest=digest, rows=facts.rows, origin=origin)

    def _facts_key(self, digest: str) -> str:
        return f"datasets/{self.dataset}/parts/{digest}.json"

    @property
    def _seen_key(self) -> str:
        return f"datasets/{self.dataset}/seen.json"

    def _seen(self) -> dict[str, tuple[str, str]]:
        """What each remote file was when last read: its mark, and the digest of its bytes."""
        try:
            return from_json(self.storage.get(self._seen_key), dict[str, tuple[str, str]])
        except NotFoundError:
            return {}


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _digest(path: Path, origin: str) -> str:
    try:
        return digest_file(path)
    except PermissionError:
        raise SourceError(f"{origin} may not be read", remedy="give this user the right to read it") from None


def _agreed(kept: Sequence[tuple[Part, PartFacts]]) -> dict[str, ColumnKind]:
    """The kinds that hold every part's values. A later file may bring new columns; it may not lack earlier ones."""
    agreed: k.Kinds = {}
    first: dict[str, str] = {}
    for part, facts in kept:
        missing = agreed.keys() - facts.kinds.keys()
        if missing:
            column = min(missing)
            raise SourceError(
                f"{part.origin} has no column {column!r}, which {first[column]} has",
                remedy="add it (it may be empty), or read the files by SQL with union_by_name",
            )
        for name, kind in facts.kinds.items():
            try:
                agreed[name] = k.widen(agreed.get(name), kind)
            except ValueError as error:
                raise SourceError(
                    f"{part.origin}: the column {name!r} is {kind}, but {agreed[name]} in {first[name]}",
                    remedy="write it alike in every file",
                ) from error
            first.setdefault(name, part.origin)
    return {name: kind or "text" for name, kind in agreed.items()}


def _silent(_text: str, _done: float) -> None:
    return None
