"""A SQL query as a source: run by DuckDB, its result written as Parquet and named so that equal rows share a name."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import duckdb
import polars as pl

from loopwright.core.digest import digest_all, digest_file
from loopwright.data.reading import head_kinds
from loopwright.data.records import ColumnKind
from loopwright.data.scratch import disk_refusal
from loopwright.errors import SourceError


def peek_query(query: str, root: Path) -> dict[str, ColumnKind]:
    """Names and kinds of the query's columns; no row is read. Raises `SourceError`."""
    with tempfile.TemporaryDirectory(prefix="loopwright-peek-") as folder:
        empty = Path(folder) / "empty.parquet"
        run_query(f"SELECT * FROM ({_statement(query)}\n) LIMIT 0", root, empty)
        return head_kinds(empty, "the query", "parquet")


def run_query(query: str, root: Path, target: Path) -> None:
    """Write the query's rows to `target`; relative paths in it start at `root`. Raises `SourceError`."""
    try:
        with duckdb.connect(config={"file_search_path": str(root), "temp_directory": str(target.parent)}) as connection:
            connection.execute(f"COPY ({_statement(query)}\n) TO '{target}' (FORMAT parquet, COMPRESSION snappy)")
    except duckdb.Error as error:
        if disk_refusal(error) is not None:
            raise
        said = str(error).splitlines()[0]
        raise SourceError(
            f"the query cannot be run: {said}", remedy=f"try it in DuckDB; relative paths start at {root}"
        ) from None


def digest_result(query: str, result: Path) -> str:
    """What a result is named by. Without ORDER BY the rows come in no particular order, so their order is left out."""
    if re.search(r"\border\s+by\b", query, re.IGNORECASE):
        return digest_file(result)
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT count(*), sum(hash(rows)), sum(hash(hash(rows), 1)) FROM read_parquet(?) AS rows", [str(result)]
        ).fetchone()
    schema = pl.scan_parquet(result).collect_schema()
    return digest_all([*map(str, found or ()), *(f"{name}:{dtype}" for name, dtype in schema.items())])


def _statement(query: str) -> str:
    return query.strip().rstrip(";")
