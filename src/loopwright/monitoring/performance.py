"""How well a model predicted: captured predictions joined with what came true. Polars is imported here only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from loopwright.bundle.records import Manifest
from loopwright.core.clock import parse_duration
from loopwright.monitoring.records import Performance, PerformanceReport
from loopwright.monitoring.windows import window_of
from loopwright.outcomes.ledger import read_ledger
from loopwright.outcomes.measured import manifest_of, measure_rows
from loopwright.ports.storage import Storage
from loopwright.registry.service import Registry
from loopwright.statistics.metrics import metrics


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
    length = parse_duration(window)
    totals: list[Performance] = []
    windows: list[Performance] = []
    task = None
    for number, joined in read_ledger(storage, model, since, until, scratch=scratch).items():
        manifest = manifest_of(storage, registry, model, number)
        task = manifest.task
        totals.append(_measure(number, manifest, joined, since, until))
        windows += _by_window(number, manifest, joined, length)
    windows.sort(key=lambda one: (one.start, one.version))
    return PerformanceReport(
        model=model, task=task, since=since, until=until, versions=tuple(totals), windows=tuple(windows)
    )


def _by_window(number: int, manifest: Manifest, joined: pl.DataFrame, length: timedelta) -> Iterator[Performance]:
    starts = pl.Series("start", [window_of(moment, length) for moment in joined["at"]], dtype=joined["at"].dtype)
    for (start,), rows in joined.with_columns(starts).group_by("start"):
        assert isinstance(start, datetime)
        yield _measure(number, manifest, rows, start, start + length)


def _measure(number: int, manifest: Manifest, rows: pl.DataFrame, start: datetime, end: datetime) -> Performance:
    measured = measure_rows(manifest, rows)
    known = measured.known
    figures = metrics(manifest.task, measured.truth[known], measured.scores[known], threshold=manifest.threshold)
    return Performance(
        version=number,
        start=start,
        end=end,
        predictions=rows.height,
        outcomes=int(known.sum()),
        metrics={name: value for name, value in figures.items() if np.isfinite(value)},
    )
