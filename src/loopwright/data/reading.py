"""One file of a source as typed rows: delimited text, JSON lines or Parquet. What cannot be read says why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from polars.exceptions import InvalidOperationError, PolarsError

from loopwright.data import kinds as k
from loopwright.data.delimited import explain, scan_delimited
from loopwright.data.inference import DATES, DECIMAL_COMMA, WAYS, typed_text
from loopwright.data.records import ColumnKind
from loopwright.data.scratch import disk_refusal
from loopwright.errors import SourceError

HEAD = 1000


def write_part(path: Path, origin: str, written: str, target: Path) -> tuple[Path, k.Kinds]:
    """Read `path` (in the format `written`) and write it, typed, as Parquet at `target`, streaming.

    Gives the Parquet file and the kinds found; the file is `path` itself where that is as it should be already.
    Raises `SourceError`.
    """
    with _explained(path, origin, written):
        rows, kinds = _SCANS[written](path, origin, None)
        if written == "parquet" and _is_normal(path):
            return path, kinds
        rows.sink_parquet(target, compression="snappy", statistics=False)
    return target, kinds


def head_kinds(path: Path, origin: str, written: str) -> dict[str, ColumnKind]:
    """Names and kinds of a file's columns by its first rows; text where there is no value yet. Raises `SourceError`."""
    with _explained(path, origin, written):
        _, kinds = _SCANS[written](path, origin, HEAD)
    return {name: kind or "text" for name, kind in kinds.items()}


def head_rows(path: Path, origin: str, written: str) -> pl.DataFrame:
    """A file's first `HEAD` rows, typed by themselves. Raises `SourceError`."""
    with _explained(path, origin, written):
        rows, _ = _SCANS[written](path, origin, HEAD)
        return rows.head(HEAD).collect()


def _scan_delimited(path: Path, origin: str, head: int | None) -> tuple[pl.LazyFrame, k.Kinds]:
    rows, layout = scan_delimited(path, origin)
    ways = WAYS if layout.delimiter == "," else (*WAYS, *DECIMAL_COMMA)
    return typed_text(rows if head is None else rows.head(head), layout.names, ways)


def _scan_json(path: Path, origin: str, head: int | None) -> tuple[pl.LazyFrame, k.Kinds]:
    rows = pl.scan_ndjson(path, infer_schema_length=head)
    rows, kinds = _typed(rows if head is None else rows.head(head), origin)
    texts = [name for name, kind in kinds.items() if kind == "text"]
    rows, found = typed_text(rows, texts, DATES)
    return rows, {**kinds, **found}


def _scan_parquet(path: Path, origin: str, _head: int | None) -> tuple[pl.LazyFrame, k.Kinds]:
    return _typed(pl.scan_parquet(path, glob=False), origin)


def _is_normal(path: Path) -> bool:
    """Whether a Parquet file holds the types of its kinds and no NaN; every page is read, so damage shows here."""
    rows = pl.scan_parquet(path, glob=False)
    schema = rows.collect_schema()
    kinds = {name: k.kind_of(dtype) for name, dtype in schema.items()}
    if any(kind is not None and k.DTYPES[kind] != schema[name] for name, kind in kinds.items()):
        return False
    damage = [pl.col(name).hash().max() >= 0 for name in schema]  # a hash needs the values themselves
    finite = [
        pl.col(name).is_finite().all().name.suffix(" is finite") for name, kind in kinds.items() if kind == "number"
    ]
    return all(rows.select(*damage, *finite).collect(engine="streaming").row(0))


def _typed(rows: pl.LazyFrame, origin: str) -> tuple[pl.LazyFrame, k.Kinds]:
    """Rows that have types already, in the types of their kinds."""
    schema = rows.collect_schema()
    k.check_names(list(schema), origin)
    kinds: k.Kinds = {}
    for name, dtype in schema.items():
        try:
            kinds[name] = k.kind_of(dtype)
        except TypeError:
            raise SourceError(
                f"{origin}: the column {name!r} holds {dtype}, which is no single value",
                remedy="unpack it by SQL (a source that begins with SELECT), or leave it out there",
            ) from None
    return rows.select(k.normal(name, dtype) for name, dtype in schema.items()), kinds


_SCANS: dict[str, Callable[[Path, str, int | None], tuple[pl.LazyFrame, k.Kinds]]] = {
    "delimited": _scan_delimited,
    "json": _scan_json,
    "parquet": _scan_parquet,
}


@contextmanager
def _explained(path: Path, origin: str, written: str) -> Iterator[None]:
    """Turn what the readers raise into what a user can act on."""
    try:
        yield
    except PermissionError:
        raise SourceError(f"{origin} may not be read", remedy="give this user the right to read it") from None
    except (PolarsError, UnicodeDecodeError) as error:
        if disk_refusal(error) is not None:
            raise
        raise _cannot(error, path, origin, written) from None


def _cannot(error: Exception, path: Path, origin: str, written: str) -> SourceError:
    if path.stat().st_size == 0:
        return SourceError(f"{origin} is empty", remedy="write at least one row, or name another source")
    if written == "delimited":
        return explain(error, path, origin)
    said = str(error).splitlines()[0]
    if isinstance(error, InvalidOperationError):
        return SourceError(f"{origin} holds a value that no kind can hold: {said}", remedy="convert it by SQL")
    state = "is no whole Parquet file" if written == "parquet" else "cannot be read as JSON lines"
    return SourceError(
        f"{origin} {state}: {said}", remedy="write it again from where it came; the copy may have been cut off"
    )
