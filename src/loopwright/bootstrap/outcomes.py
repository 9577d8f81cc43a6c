"""Ground truth from a file: read as any source is, and told to the ledger of outcomes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import polars as pl

from loopwright.bootstrap.platform import Platform
from loopwright.bundle.values import category_text
from loopwright.data.reading import write_part
from loopwright.data.sources import list_source
from loopwright.declare import Declaration
from loopwright.errors import DataError
from loopwright.outcomes.telling import record_outcomes
from loopwright.traffic.outcomes import Outcome

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
    at: str = "at",
) -> OutcomesTold:
    """Tell every row of `source` (CSV, Parquet, JSON lines) that has a value; telling the same again changes nothing.

    Predictions are named by the column `prediction_id`, or by `key`, else the model's own key column; what came true
    stands in `value`, else in the column of the target. An outcome is of the moment in the column `at`, of now where
    there is none. Raises `SourceError`, and `DataError` that names the column or the row.
    """
    told = passed_over = 0
    columns = None
    now = platform.clock.now()
    for frame in _frames(platform, source):
        columns = _columns(declaration, frame, source, value, key, at)
        known = frame.filter(pl.col(columns.value).is_not_null())
        record_outcomes(platform.storage, list(_outcomes(declaration.name, known, columns, now)), now)
        told, passed_over = told + known.height, passed_over + frame.height - known.height
    if columns is None:
        raise DataError(f"{source} holds no rows", remedy="name a file with outcomes")
    return OutcomesTold(endpoint=declaration.name, told=told, passed_over=passed_over, columns=columns)


def _frames(platform: Platform, source: str) -> Iterator[pl.DataFrame]:
    with tempfile.TemporaryDirectory(prefix="loopwright-outcomes-") as folder:
        for file in list_source(source, Path.cwd()):
            part, _ = write_part(
                file.bring(Path(folder)), file.origin, file.format, Path(folder) / "outcomes-typed.parquet"
            )
            yield from pl.scan_parquet(part, glob=False).collect_batches(chunk_size=BATCH_ROWS, maintain_order=True)


def _columns(
    declaration: Declaration, frame: pl.DataFrame, source: str, value: str | None, key: str | None, at: str
) -> OutcomeColumns:
    found = OutcomeColumns(
        value=value or declaration.target,
        key=key or (declaration.key if declaration.key in frame.columns else None),
        prediction_id="prediction_id" if "prediction_id" in frame.columns else None,
        at=at if at in frame.columns else None,
    )
    for option, column in (("--value", found.value), ("--key", found.key)):
        if column is not None and column not in frame.columns:
            raise DataError(
                f"{source} has no column {column!r}",
                remedy=f"name one with {option}; it has: {', '.join(frame.columns)}",
            )
    if found.key is None and found.prediction_id is None:
        raise DataError(
            f"{source} does not say which predictions its rows are of",
            remedy="give it a column prediction_id, or name the column of the model's key with --key",
        )
    return found


def _outcomes(endpoint: str, rows: pl.DataFrame, columns: OutcomeColumns, now: datetime) -> Iterator[Outcome]:
    for row in rows.iter_rows(named=True):
        yield Outcome(
            endpoint=endpoint,
            value=row[columns.value],
            at=_moment(row[columns.at], columns.at) if columns.at else now,
            prediction_id=category_text(row[columns.prediction_id]) if columns.prediction_id else None,
            key=category_text(row[columns.key]) if columns.key else None,
        )


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
