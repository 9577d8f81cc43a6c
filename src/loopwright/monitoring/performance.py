"""How well a model predicted: by version and by window, on what is known so far, corrected for what is not, estimated.

Polars is imported here: doors get at it through jobs, the worker and the command line only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from loopwright.bundle.records import Manifest
from loopwright.core.clock import parse_duration
from loopwright.evaluation.records import Estimate, EvaluationReport
from loopwright.evaluation.tasks import Scores
from loopwright.monitoring.estimates import Estimator, Tested, estimator_of, evaluation_of, tested_rows
from loopwright.monitoring.records import Performance, PerformanceReport
from loopwright.monitoring.windows import window_of
from loopwright.outcomes.lag import label_lag
from loopwright.outcomes.ledger import read_ledger
from loopwright.outcomes.losses import unit_names
from loopwright.outcomes.measured import Measured, manifest_of, measure_rows
from loopwright.policies.tasks import DEFAULT_METRIC, METRICS
from loopwright.ports.storage import Storage
from loopwright.registry.service import Registry
from loopwright.statistics.bootstrap import Interval, Resampling, by_blocks, by_clusters
from loopwright.statistics.metrics import metrics, prepare
from loopwright.statistics.missing import reweighted, stratify

RESAMPLES = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Gauge:
    """What a version's predictions are measured with: its manifest, the metric that decides, what its test said."""

    manifest: Manifest
    metric: str
    evaluation: EvaluationReport | None
    tested: Tested | None
    estimator: Estimator | None

    @property
    def reference(self) -> Estimate | None:
        """The deciding metric on the test rows."""
        if self.evaluation is None:
            return None
        return self.evaluation.metrics.get("candidate", {}).get(self.metric)


def performance(
    model: str,
    since: datetime,
    until: datetime,
    *,
    storage: Storage,
    registry: Registry,
    scratch: Path,
    window: str = "1d",
    metric: str | None = None,
    as_of: datetime | None = None,
) -> PerformanceReport:
    """The performance of every version that predicted in [since, until), in all and by windows of `window`.

    An outcome belongs to the prediction of its id; else to every prediction of its key. Of several, the latest counts;
    `as_of` asks what was known then. What is not captured is not measured. `metric` decides, else the task's own does.
    Outcomes that mean nothing to the task are left out, and `notes` count them. Raises `DataError` where a batch of
    outcomes is damaged.
    """
    length = parse_duration(window)
    found = read_ledger(storage, model, since, until, scratch=scratch, as_of=as_of, inputs=True)
    gauges = {number: gauge_of(storage, registry, model, number, metric) for number in found}
    deciding = next((gauge.metric for gauge in gauges.values()), "")
    totals = [measure(gauges[number], number, rows, since, until) for number, rows in found.items()]
    windows = [one for number, rows in found.items() for one in _by_window(gauges[number], number, rows, length)]
    return PerformanceReport(
        model=model,
        task=next((gauge.manifest.task for gauge in gauges.values()), None),
        since=since,
        until=until,
        versions=tuple(totals),
        windows=tuple(sorted(windows, key=lambda one: (one.start, one.version))),
        metric=deciding,
        reference={number: gauge.reference for number, gauge in gauges.items() if gauge.reference is not None},
        lag=label_lag(found.values(), as_of or until),
        notes=tuple(
            note
            for (number, rows), total in zip(found.items(), totals, strict=True)
            for note in _notes(gauges[number], number, rows["value"].count() - total.outcomes)
        ),
    )


def gauge_of(
    storage: Storage, registry: Registry, model: str, number: int, metric: str | None, *, estimates: bool = True
) -> Gauge:
    """What the version is measured with; a metric that its task lacks gives way to the task's own."""
    version, manifest = registry.get(model, number), manifest_of(storage, registry, model, number)
    evaluation = evaluation_of(storage, version.folder)
    tested = tested_rows(storage, evaluation)
    return Gauge(
        manifest=manifest,
        metric=metric if metric and manifest.task in METRICS[metric][0] else DEFAULT_METRIC[manifest.task],
        evaluation=evaluation,
        tested=tested,
        estimator=estimator_of(storage, manifest, evaluation, tested) if estimates else None,
    )


def measure(gauge: Gauge, number: int, rows: pl.DataFrame, start: datetime, end: datetime) -> Performance:
    """How well the version did on the ledger's `rows`."""
    task, threshold = gauge.manifest.task, gauge.manifest.threshold
    measured = measure_rows(gauge.manifest, rows)
    known = measured.known
    found = metrics(task, measured.truth[known], measured.scores[known], threshold=threshold)
    corrected, borrowed = _corrected(gauge, measured, rows)
    sound = bool(rows.height) and bool(np.isfinite(measured.scores).all())
    return Performance(
        version=number,
        start=start,
        end=end,
        predictions=rows.height,
        outcomes=int(known.sum()),
        metrics={name: value for name, value in found.items() if np.isfinite(value)},
        corrected={} if corrected is None else {gauge.metric: _estimate(corrected)},
        borrowed=borrowed,
        estimated=gauge.estimator.estimate(rows, measured.scores, gauge.metric) if gauge.estimator and sound else {},
    )


def by_window(rows: pl.DataFrame, length: timedelta) -> Iterator[tuple[datetime, pl.DataFrame]]:
    """The ledger's rows of each window in which there were any, oldest first."""
    seconds = int(length.total_seconds())
    starts = (pl.col("at").dt.epoch("s") // seconds * seconds).alias("start")
    for _, part in rows.with_columns(starts).group_by("start", maintain_order=True):
        yield window_of(part["at"][0], length), part.drop("start")


def _corrected(gauge: Gauge, measured: Measured, rows: pl.DataFrame) -> tuple[Interval | None, float]:
    """The deciding metric of all rows from the known ones, and the share of rows that had to borrow labels."""
    known = measured.known
    strata = stratify(_confidence(measured.scores), known) if known.any() else None
    statistic = prepare(
        gauge.manifest.task,
        gauge.metric,
        measured.truth[known],
        measured.scores[known],
        threshold=gauge.manifest.threshold,
    )
    if strata is None or statistic is None:
        return None, 0.0
    return reweighted(statistic, strata, known, _resampling(rows)), strata.borrowed


def _notes(gauge: Gauge, number: int, strange: int) -> Iterator[str]:
    """What a reader of the figures should know; `strange` outcomes have come that mean nothing to the version."""
    if gauge.estimator is None:
        yield f"version {number}: nothing can be estimated without labels, since its evaluation kept no test rows"
    if strange:
        meant = f"none of its classes {', '.join(gauge.manifest.classes)}" if gauge.manifest.classes else "no number"
        told = "1 outcome is" if strange == 1 else f"{strange:,} outcomes are"
        yield f"version {number}: {told} {meant}, and left out; what is told again counts"


def _confidence(scores: Scores) -> Scores:
    """What labels may come sooner for: the number or probability predicted; of several classes the highest one."""
    found: Scores = scores if scores.ndim == 1 else scores.max(axis=1)
    return found


def _resampling(rows: pl.DataFrame) -> Resampling:
    """Whole units where keys repeat; else blocks, for predictions made one after another may err alike."""
    units = unit_names(rows)
    if len(np.unique(units)) < len(units):
        return by_clusters(units, resamples=RESAMPLES)
    return by_blocks(len(units), resamples=RESAMPLES)


def _by_window(gauge: Gauge, number: int, rows: pl.DataFrame, length: timedelta) -> Iterator[Performance]:
    for start, part in by_window(rows, length):
        yield measure(gauge, number, part, start, start + length)


def _estimate(found: Interval) -> Estimate:
    return Estimate(value=found.value, low=found.low, high=found.high)
