"""How well a model predicted: captured predictions joined with what came true. Polars is imported here only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from polars.exceptions import InvalidOperationError

from loopwright.bundle.records import MANIFEST, Manifest
from loopwright.bundle.values import category_text
from loopwright.core.clock import parse_duration
from loopwright.core.codec import from_json
from loopwright.data.captures import look_at_captures
from loopwright.errors import DataError, NotFoundError
from loopwright.evaluation.tasks import TASKS
from loopwright.monitoring.records import Performance, PerformanceReport
from loopwright.monitoring.windows import window_of
from loopwright.ports.storage import Storage
from loopwright.registry.service import Registry
from loopwright.statistics.metrics import metrics
from loopwright.traffic.outcomes import Outcome, decode_outcomes, outcomes_folder
from loopwright.traffic.predictions import OUTPUT

_ATTEMPTS = 3
_FACTS = ("prediction_id", "version", "at", "key", "shadow")


def performance(
    model: str,
    since: datetime,
    until: datetime,
    *,
    storage: Storage,
    registry: Registry,
    scratch: Path,
    window: str = "1d",
) -> PerformanceReport:
    """The performance of every version that predicted in [since, until), in all and by windows of `window`.

    An outcome belongs to the prediction of its id; else to every prediction of its key. Of several, the latest counts.
    What is not captured or has no outcome yet is not measured. Raises `DataError` where an outcome fits no target.
    """
    outcomes = _outcomes(storage, model, since)
    length = parse_duration(window)
    totals: list[Performance] = []
    windows: list[Performance] = []
    task = None
    for number, predictions in sorted(_predictions(storage, model, since, until, scratch).items()):
        manifest = from_json(storage.get(f"{registry.get(model, number).folder}/{MANIFEST}"), Manifest)
        task = manifest.task
        joined = _join(predictions, outcomes)
        totals.append(_measure(number, manifest, joined, since, until))
        windows += _by_window(number, manifest, joined, length)
    windows.sort(key=lambda one: (one.start, one.version))
    return PerformanceReport(
        model=model, task=task, since=since, until=until, versions=tuple(totals), windows=tuple(windows)
    )


def _predictions(
    storage: Storage, model: str, since: datetime, until: datetime, scratch: Path
) -> dict[int, pl.DataFrame]:
    """Captured predictions of the period by version: its facts and outputs."""
    for _ in range(_ATTEMPTS - 1):
        with suppress(NotFoundError):  # replaced and deleted while it was read
            return _read_predictions(storage, model, since, until, scratch)
    return _read_predictions(storage, model, since, until, scratch)


def _read_predictions(
    storage: Storage, model: str, since: datetime, until: datetime, scratch: Path
) -> dict[int, pl.DataFrame]:
    frames: dict[int, list[pl.DataFrame]] = {}
    # A segment lies in the folder of its first record's day, so one of yesterday's may reach into the period.
    for key in look_at_captures(storage, model, (since - timedelta(days=1)).date(), until.date()).keys:
        path = storage.fetch(key, scratch)
        names = pl.read_parquet_schema(path)
        frame = pl.read_parquet(path, columns=[name for name in names if name in _FACTS or name.startswith(OUTPUT)])
        frame = frame.filter(pl.col("at").is_between(since, until, closed="left"))
        if "shadow" in names:
            frame = frame.filter(~pl.col("shadow")).drop("shadow")  # nobody was given those
        for (number,), part in frame.group_by("version"):
            frames.setdefault(int(str(number)), []).append(part)
    return {number: pl.concat(parts) for number, parts in frames.items()}


def _outcomes(storage: Storage, model: str, since: datetime) -> pl.DataFrame:
    """Outcomes told since the period began, oldest first; values as text, which is exact for numbers."""
    told = [one for key in _keys(storage, outcomes_folder(model), since, None) for one in _decoded(storage, key)]
    told.sort(key=lambda one: one.at)
    columns = {
        "prediction_id": [one.prediction_id for one in told],
        "key": [one.key for one in told],
        "value": [category_text(one.value) for one in told],
    }
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def _decoded(storage: Storage, key: str) -> list[Outcome]:
    try:
        return decode_outcomes(storage.get(key))
    except ValueError as error:
        raise DataError(
            f"{key} holds no outcomes: {error}", remedy="take that object away, and tell them again"
        ) from error


def _keys(storage: Storage, folder: str, since: datetime, until: datetime | None) -> Iterator[str]:
    """The keys below the folder's days from `since` to `until`."""
    for key in storage.list(folder):
        day = key[len(folder) :].split("/", 1)[0]
        if f"{since:%Y-%m-%d}" <= day and (until is None or day <= f"{until:%Y-%m-%d}"):
            yield key


def _join(predictions: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    joined = predictions
    for name in ("prediction_id", "key"):
        latest = outcomes.drop_nulls(name).unique(name, keep="last", maintain_order=True)
        joined = joined.join(latest.select(name, pl.col("value").alias(f"by {name}")), on=name, how="left")
    return joined.with_columns(value=pl.coalesce("by prediction_id", "by key"))


def _by_window(number: int, manifest: Manifest, joined: pl.DataFrame, length: timedelta) -> Iterator[Performance]:
    starts = pl.Series("start", [window_of(moment, length) for moment in joined["at"]], dtype=joined["at"].dtype)
    for (start,), rows in joined.with_columns(starts).group_by("start"):
        assert isinstance(start, datetime)
        yield _measure(number, manifest, rows, start, start + length)


def _measure(number: int, manifest: Manifest, joined: pl.DataFrame, start: datetime, end: datetime) -> Performance:
    known = joined.drop_nulls("value")
    task = TASKS[manifest.task]
    classes = task.classes(manifest)
    try:
        truth = task.truth(known["value"], classes)
    except InvalidOperationError as error:
        raise DataError(
            f"an outcome of {manifest.model} is no number: {error}",
            remedy="tell it again, right: the latest counts",
        ) from error
    outputs = {name[len(OUTPUT) :]: known[name].to_numpy() for name in _outputs(known.columns)}
    finite = np.isfinite(truth)
    figures = metrics(
        manifest.task, truth[finite], task.scores(manifest, outputs, classes)[finite], threshold=manifest.threshold
    )
    return Performance(
        version=number,
        start=start,
        end=end,
        predictions=joined.height,
        outcomes=int(finite.sum()),
        metrics={name: value for name, value in figures.items() if np.isfinite(value)},
    )


def _outputs(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(OUTPUT)]
