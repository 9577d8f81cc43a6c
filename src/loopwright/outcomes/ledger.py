"""The ledger: captured predictions joined with what came true. Imports Polars, so doors reach it through jobs only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from loopwright.bundle.values import category_text
from loopwright.data.captures import look_at_captures
from loopwright.errors import DataError, NotFoundError
from loopwright.ports.storage import Storage
from loopwright.traffic.outcomes import Outcome, decode_outcomes, outcomes_folder
from loopwright.traffic.predictions import INPUT, OUTPUT

FACTS = ("prediction_id", "version", "at", "key", "shadow")

_ATTEMPTS = 3


def read_ledger(
    storage: Storage,
    model: str,
    since: datetime,
    until: datetime,
    *,
    scratch: Path,
    as_of: datetime | None = None,
    inputs: bool | Iterable[str] = False,
) -> dict[int, pl.DataFrame]:
    """The predictions of [since, until) by version, oldest first, each with what came true of it.

    Columns: the facts `prediction_id`, `version`, `at`, `key`, one `output.<name>` per output, `input.<column>` for
    the `inputs` that were captured; then `value` (text, which is exact for numbers; null where nothing is known) and
    `known_at`. An outcome belongs to the prediction of its id; else to every prediction of its key. Of several the one
    known last counts. `as_of` asks for what was known then: outcomes of later moments, or told on later UTC days, are
    left out. Raises `DataError` where a batch of outcomes is damaged.
    """
    outcomes = _outcomes(storage, model, since, as_of)
    wanted = _wanted(inputs)
    return {
        number: _join(rows, outcomes).sort("at", maintain_order=True)
        for number, rows in sorted(_predictions(storage, model, since, until, scratch, wanted).items())
    }


def outcome_batches(storage: Storage, model: str, since: datetime, until: datetime | None = None) -> list[str]:
    """The keys of the batches told on the UTC days from `since` to `until`. They never change: new ones are news."""
    folder = outcomes_folder(model)
    found = []
    for key in storage.list(folder):
        day = key[len(folder) :].split("/", 1)[0]
        if f"{since:%Y-%m-%d}" <= day and (until is None or day <= f"{until:%Y-%m-%d}"):
            found.append(key)
    return found


def _wanted(inputs: bool | Iterable[str]) -> Callable[[str], bool]:
    if isinstance(inputs, bool):
        return lambda name: name in FACTS or name.startswith((OUTPUT, INPUT) if inputs else OUTPUT)
    named = {INPUT + one for one in inputs}
    return lambda name: name in FACTS or name.startswith(OUTPUT) or name in named


def _predictions(
    storage: Storage, model: str, since: datetime, until: datetime, scratch: Path, wanted: Callable[[str], bool]
) -> dict[int, pl.DataFrame]:
    for _ in range(_ATTEMPTS - 1):
        with suppress(NotFoundError):  # replaced and deleted while it was read
            return _read_predictions(storage, model, since, until, scratch, wanted)
    return _read_predictions(storage, model, since, until, scratch, wanted)


def _read_predictions(
    storage: Storage, model: str, since: datetime, until: datetime, scratch: Path, wanted: Callable[[str], bool]
) -> dict[int, pl.DataFrame]:
    frames: dict[int, list[pl.DataFrame]] = {}
    # A segment lies in the folder of its first record's day, so one of yesterday's may reach into the period.
    for key in look_at_captures(storage, model, (since - timedelta(days=1)).date(), until.date()).keys:
        path = storage.fetch(key, scratch)
        names = pl.read_parquet_schema(path)
        frame = pl.read_parquet(path, columns=[name for name in names if wanted(name)])
        frame = frame.filter(pl.col("at").is_between(since, until, closed="left"))
        if "shadow" in names:
            frame = frame.filter(~pl.col("shadow")).drop("shadow")  # nobody was given those
        for (number,), part in frame.group_by("version", maintain_order=True):
            frames.setdefault(int(str(number)), []).append(part)
    return {number: pl.concat(parts, how="diagonal_relaxed") for number, parts in frames.items()}


def _outcomes(storage: Storage, model: str, since: datetime, as_of: datetime | None) -> pl.DataFrame:
    """Outcomes told since the period began, the one known first at the top."""
    batches = outcome_batches(storage, model, since, as_of)
    told = [one for key in batches for one in _decoded(storage, key) if as_of is None or one.at <= as_of]
    told.sort(key=lambda one: one.at)
    return pl.DataFrame(
        {
            "prediction_id": [one.prediction_id for one in told],
            "key": [one.key for one in told],
            "value": [category_text(one.value) for one in told],
            "known_at": [one.at for one in told],
        },
        schema={"prediction_id": pl.String, "key": pl.String, "value": pl.String, "known_at": _MOMENT},
    )


def _decoded(storage: Storage, key: str) -> Iterator[Outcome]:
    try:
        yield from decode_outcomes(storage.get(key))
    except ValueError as error:
        raise DataError(
            f"{key} holds no outcomes: {error}", remedy="take that object away, and tell them again"
        ) from error


def _join(predictions: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    joined = predictions
    for name in ("prediction_id", "key"):
        latest = outcomes.drop_nulls(name).unique(name, keep="last", maintain_order=True)
        told = latest.select(name, pl.struct("value", "known_at").alias(f"by {name}"))
        joined = joined.join(told, on=name, how="left", maintain_order="left")
    return joined.with_columns(told=pl.coalesce("by prediction_id", "by key")).select(
        *predictions.columns,
        pl.col("told").struct.field("value"),
        pl.col("told").struct.field("known_at"),
    )


_MOMENT = pl.Datetime("us", "UTC")
