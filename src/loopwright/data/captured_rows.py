"""Captured predictions read back: an endpoint's last rows of one version, or what shadows said. Loads Polars."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import polars as pl

from loopwright.data.captures import look_at_captures
from loopwright.errors import NotFoundError
from loopwright.ports.storage import Storage
from loopwright.traffic.predictions import INPUT, OUTPUT

T = TypeVar("T")

DAYS = 7
"""How far back the last rows are looked for."""

SEGMENTS = 200
"""How many segments are opened at most to find them: an endpoint may have had millions of rows of other versions."""

_ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class LastRows:
    """Rows as they were captured, the oldest first. `lacking` names the wanted inputs that kept others from being read:
    they were redacted.
    """

    frame: pl.DataFrame
    lacking: tuple[str, ...] = ()


def has_captures(storage: Storage, endpoint: str, until: datetime) -> bool:
    """Whether anything of the last days is there at all, without reading it."""
    return bool(look_at_captures(storage, endpoint, (until - timedelta(days=DAYS)).date(), until.date()).keys)


def last_rows(
    storage: Storage,
    endpoint: str,
    *,
    version: int,
    inputs: Collection[str],
    rows: int,
    until: datetime,
    scratch: Path,
) -> LastRows:
    """The last `rows` rows that `version` answered before `until`, of those with all `inputs`; shadows answer nobody.

    They have the columns `prediction_id`, `at`, `key`, `unit` (see `with_units`), and the version's inputs and outputs.
    """

    def read() -> LastRows:
        found: list[pl.DataFrame] = []
        lacking: set[str] = set()
        keys = look_at_captures(storage, endpoint, (until - timedelta(days=DAYS)).date(), until.date()).keys
        for key in reversed(keys[-SEGMENTS:]):
            frame = _answered(_typed(pl.scan_parquet(storage.fetch(key, scratch), glob=False)), version, until)
            missing = {name for name in inputs if INPUT + name not in frame.columns}
            if frame.height and missing:
                lacking |= missing
            elif frame.height:
                found.append(frame)
            if sum(one.height for one in found) >= rows:
                break
        if not found:
            return LastRows(frame=pl.DataFrame(), lacking=tuple(sorted(lacking)))
        together = pl.concat(found, how="diagonal_relaxed").sort("at", maintain_order=True).tail(rows)
        return LastRows(frame=with_units(together), lacking=tuple(sorted(lacking)))

    return _again(read)


def shadow_rows(
    storage: Storage, endpoint: str, since: datetime, until: datetime, *, scratch: Path
) -> dict[int, pl.DataFrame]:
    """What shadows predicted in [since, until) by version, oldest first: `prediction_id`, `at`, and their outputs."""

    def read() -> dict[int, pl.DataFrame]:
        found: dict[int, list[pl.DataFrame]] = {}
        # A segment lies in the folder of its first record's day, so one of yesterday's may reach into the period.
        for key in look_at_captures(storage, endpoint, (since - timedelta(days=1)).date(), until.date()).keys:
            rows = _typed(pl.scan_parquet(storage.fetch(key, scratch), glob=False))
            outputs = [name for name in rows.collect_schema().names() if name.startswith(OUTPUT)]
            inside = pl.col("shadow") & pl.col("at").is_between(since, until, closed="left")
            frame = rows.filter(inside).select("prediction_id", "version", "at", *outputs).collect()
            for (number,), part in frame.group_by("version", maintain_order=True):
                found.setdefault(int(str(number)), []).append(part.drop("version"))
        return {number: pl.concat(parts).sort("at", maintain_order=True) for number, parts in found.items()}

    return _again(read)


def with_units(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with a column `unit`: the key where there is one, else the request. Rows of one unit are not independent
    of each other.
    """
    request = pl.col("prediction_id").str.replace(_ROW.pattern, "")
    return rows.with_columns(unit=pl.coalesce(pl.format("key {}", "key"), pl.format("request {}", request)))


def _typed(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Early segments do not say which rows are a shadow's: there were none."""
    if "shadow" in rows.collect_schema():
        return rows
    return rows.with_columns(shadow=pl.lit(False))


def _answered(rows: pl.LazyFrame, version: int, until: datetime) -> pl.DataFrame:
    kept = rows.filter((pl.col("version") == version) & ~pl.col("shadow") & (pl.col("at") < until))
    names = [name for name in rows.collect_schema().names() if name.startswith((INPUT, OUTPUT))]
    return kept.select("prediction_id", "at", "key", *names).collect()


def _again(read: Callable[[], T]) -> T:
    """What is replaced by compaction and deleted while it is read lies elsewhere at the next look."""
    for _ in range(_ATTEMPTS - 1):
        with suppress(NotFoundError):
            return read()
    return read()


_ROW = re.compile(r":\d+$")
