"""Ground truth from a file: read as any source is, and told to the ledger of outcomes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from loopwright.bootstrap.platform import Platform
from loopwright.bundle.values import category_text
from loopwright.data.reading import write_part
from loopwright.data.sources import list_source
from loopwright.declare import Declaration
from loopwright.errors import DataError
from loopwright.outcomes.telling import check_outcomes, record_outcomes
from loopwright.traffic.outcomes import Outcome

AT = "at"
"""The column of moments where no other is named; it may be missing."""

BATCH_ROWS = 50_000
"""Outcomes that are told together; memory is bounded by them, not by the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OutcomeColumns:
    """Which columns of a file say what. Each row has a prediction's id or its row's key; `at` may be missing."""

    value: str
    key: str | None
    prediction_id: str | None
    at: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class OutcomesTold:
    """How many outcomes went into the ledger, and how many rows were passed over because their value is missing."""

    endpoint: str
    told: int
    passed_over: int
    columns: OutcomeColumns


def tell_outcomes(
    platform: Platform,
    declaration: Declaration,
    source: str,
    *,
    value: str | None = None,
    key: str | None = None,
    at: str = AT,
) -> OutcomesTold:
    """Tell every row of `source` (CSV, Parquet, JSON lines) that has a value; telling the same again changes nothing.

    Predictions are named by the column `prediction_id`, or by `key`, else the model's own key column; what came true
    stands in `value`, else in the column of the target. An outcome is of the moment in the column `at`, of now where
    there is none. All files are looked at before the first is told: a bad row in any leaves nothing in the ledger.
    Raises `SourceError`, and `DataError` that names the column or the row.
    """
    now = platform.clock.now()
    with tempfile.TemporaryDirectory(prefix="loopwright-outcomes-") as folder:
        files = list(_bring(declaration, source, Path(folder), value, key, at))
        if not files:
            raise DataError(f"{source} holds no rows", remedy="name a file with outcomes")
        for keep in (check_outcomes, partial(record_outcomes, platform.storage, now=now)):
            for file in files:
                for outcomes in _outcomes(declaration.name, file, now):
                    keep(outcomes)
    rows, told = sum(file.rows for file in files), sum(file.known for file in files)
    return OutcomesTold(endpoint=declaration.name, told=told, passed_over=rows - told, columns=files[-1].columns)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Brought:
    """A file of outcomes as typed rows, of which `known` have a value."""

    part: Path
    columns: OutcomeColumns
    rows: int
    known: int


def _bring(
    declaration: Declaration, source: str, folder: Path, value: str | None, key: str | None, at: str
) -> Iterator[_Brought]:
    """Every file that holds rows, before any is told: one that lacks a column leaves nothing behind."""
    for place, file in enumerate(list_source(source, Path.cwd())):
        here = folder / str(place)
        here.mkdir()
        part, _ = write_part(file.bring(here), file.origin, file.format, here / "outcomes-typed.parquet")
        rows = pl.scan_parquet(part, glob=False)
        columns = _columns(declaration, rows.collect_schema().names(), file.origin, value, key, at)
        count, known = rows.select(pl.len(), pl.col(columns.value).count()).collect().row(0)
        if count:
            yield _Brought(part=part, columns=columns, rows=count, known=known)


def _columns(
    declaration: Declaration, there: list[str], origin: str, value: str | None, key: str | None, at: str
) -> OutcomeColumns:
    found = OutcomeColumns(
        value=value or declaration.target,
        key=key or (declaration.key if declaration.key in there else None),
        prediction_id="prediction_id" if "prediction_id" in there else None,
        at=None if at == AT and at not in there else at,
    )
    for option, column in (("--value", found.value), ("--key", found.key), ("--at", found.at)):
        if column is not None and column not in there:
            raise DataError(
                f"{origin} has no column {column!r}",
                remedy=f"name one with {option}; it has: {', '.join(there)}",
            )
    if found.key is None and found.prediction_id is None:
        raise DataError(
            f"{origin} does not say which predictions its rows are of",
            remedy="give it a column prediction_id, or name the column of the model's key with --key",
        )
    return found


def _outcomes(endpoint: str, file: _Brought, now: datetime) -> Iterator[list[Outcome]]:
    """The outcomes that are known, a batch at a time."""
    columns = file.columns
    known = pl.scan_parquet(file.part, glob=False).filter(pl.col(columns.value).is_not_null())
    for rows in known.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
        yield [
            Outcome(
                endpoint=endpoint,
                value=row[columns.value],
                at=_moment(row[columns.at], columns.at) if columns.at else now,
                prediction_id=category_text(row[columns.prediction_id]) if columns.prediction_id else None,
                key=category_text(row[columns.key]) if columns.key else None,
            )
            for row in rows.iter_rows(named=True)
        ]


def _moment(value: Any, column: str) -> datetime:
    """A date's first instant, or the moment itself, in UTC."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value
    if isinstance(value, date):
        return datetime.combine(value, time.min, UTC)
    raise DataError(
        f"the column {column!r} holds {value!r}, which is no moment",
        remedy="write 2026-01-31T12:00:00, or name another column",
    )
