"""A first look at a source: the names and kinds of its columns from its head, and whether a declaration fits them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

import polars as pl

from loopwright.data.query import peek_query, run_query
from loopwright.data.reading import HEAD, head_kinds, head_rows
from loopwright.data.records import ColumnKind
from loopwright.data.sources import is_query, list_source
from loopwright.declare import Declaration
from loopwright.errors import DeclarationError


def peek(source: str, root: Path) -> dict[str, ColumnKind]:
    """Names and kinds of the source's columns, by the head of its first file (a later value may widen a kind).

    Raises `SourceError`.
    """
    if is_query(source):
        return peek_query(source, root)
    first = list_source(source, root)[0]
    with tempfile.TemporaryDirectory(prefix="loopwright-peek-") as folder:
        return head_kinds(first.sample(Path(folder)), first.origin, first.format)


def peek_rows(source: str, root: Path) -> pl.DataFrame:
    """The source's first rows, a thousand at most, from its first file. Raises `SourceError`."""
    with tempfile.TemporaryDirectory(prefix="loopwright-peek-") as folder:
        if is_query(source):
            result = Path(folder) / "rows.parquet"
            run_query(f"SELECT * FROM ({source.strip().rstrip(';')}\n) LIMIT {HEAD}", root, result)
            return head_rows(result, "the query", "parquet")
        first = list_source(source, root)[0]
        return head_rows(first.sample(Path(folder)), first.origin, first.format)


def check_columns(declaration: Declaration, kinds: dict[str, ColumnKind]) -> None:
    """Raise `DeclarationError` where the declaration names a column that is not there, or one of an unfit kind."""
    for role, column in _named(declaration):
        if column not in kinds:
            raise DeclarationError(
                f"{declaration.name}: {role} names the column {column!r}, which {declaration.source!r} does not have",
                remedy=_meant(column, kinds),
            )
    if declaration.time and kinds[declaration.time] == "boolean":
        raise DeclarationError(
            f"{declaration.name}: the time column {declaration.time!r} is boolean",
            remedy="name a column of dates, or numbers that sort by time",
        )
    left = kinds.keys() - {declaration.target, *declaration.drop}
    if not left:
        raise DeclarationError(
            f"{declaration.name}: no column is left to learn from", remedy="drop fewer, or name a wider source"
        )


def _named(declaration: Declaration) -> Iterator[tuple[str, str]]:
    yield "target", declaration.target
    if declaration.time:
        yield "time", declaration.time
    if declaration.key:
        yield "key", declaration.key
    for role in ("drop", "slices", "redact"):
        for column in getattr(declaration, role):
            yield role, column
    for fairness in declaration.gate.fairness:
        yield "fairness", fairness.column


def _meant(column: str, kinds: dict[str, ColumnKind]) -> str:
    folded = {name.casefold(): name for name in kinds}
    close = get_close_matches(column.casefold(), folded, n=1)
    found = ", ".join(kinds)
    return f"did you mean {folded[close[0]]!r}? found {found}" if close else f"found {found}"
