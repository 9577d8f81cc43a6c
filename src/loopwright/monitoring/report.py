"""The health report: everything there is to say of a model's last days, as one record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from loopwright.bundle.records import ReferenceColumn
from loopwright.errors import NotFoundError
from loopwright.monitoring.history import Asked, RunCost, TrainedVersion, run_costs, trained_versions
from loopwright.monitoring.records import Alert, ColumnDrift, Finding, PerformanceReport
from loopwright.monitoring.service import Monitors
from loopwright.monitoring.windows import window_of
from loopwright.policies.retraining import Drift
from loopwright.registry.records import ModelVersion
from loopwright.rollout.evidence import latency_quantile, summaries
from loopwright.rollout.records import Rollout
from loopwright.runs.records import Run
from loopwright.traffic.summary import ColumnCounts, WindowSummary, merge

POINTS = 100
"""How many points a picture over the period has at most."""

POINT_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 10080)
"""How long a point may be: lengths in which windows of traffic go up evenly."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrafficPoint:
    """The endpoint's traffic from `start` on, all versions together; latencies are None where nothing was answered."""

    start: datetime
    requests: int
    errors: int
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnPicture:
    """A column in the latest judged window: `labels` name the bins, `reference` and `window` are their shares.

    `history` is the PSI of each window in the period, oldest first. `window` is empty where its counts are gone.
    """

    drift: ColumnDrift
    labels: tuple[str, ...]
    reference: tuple[float, ...]
    window: tuple[float, ...]
    history: tuple[tuple[datetime, float], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthReport:
    """A model from `since` to `until`. `columns` are of `window`, the latest judged drift finding; worst first.

    `psi_limit` is the PSI from which a column may have drifted. `training` is every version on its test rows; `costs`
    are of the period's runs, and without a `core_hour_price` they have no price.
    """

    model: str
    at: datetime
    since: datetime
    until: datetime
    champion: int | None
    traffic_seconds: float
    traffic: tuple[TrafficPoint, ...]
    window: Finding | None
    psi_limit: float
    columns: tuple[ColumnPicture, ...]
    performance: PerformanceReport | None
    findings: tuple[Finding, ...]
    alerts: tuple[Alert, ...]
    versions: tuple[ModelVersion, ...]
    rollouts: tuple[Rollout, ...]
    runs: tuple[Run, ...]
    training: tuple[TrainedVersion, ...] = ()
    costs: tuple[RunCost, ...] = ()
    core_hour_price: float | None = None
    currency: str = ""
    requests_to_retrain: tuple[Asked, ...] = ()

    @property
    def core_hours(self) -> float:
        """What training took in the period."""
        return sum(one.core_hours for one in self.costs)

    @property
    def training_cost(self) -> float | None:
        """What that cost, in `currency`; None where the price is not known."""
        return None if self.core_hour_price is None else self.core_hours * self.core_hour_price

    @property
    def requests(self) -> int:
        return sum(point.requests for point in self.traffic)

    @property
    def errors(self) -> int:
        return sum(point.errors for point in self.traffic)


def health_report(
    model: str,
    monitors: Monitors,
    *,
    since: datetime,
    until: datetime | None = None,
    performance: PerformanceReport | None = None,
    drift: Drift | None = None,
    requests_to_retrain: Iterable[Asked] = (),
    core_hour_price: float | None = None,
    currency: str = "",
) -> HealthReport:
    """The report of `model` up to now, or to `until`; `drift` is how it is watched.

    Raises `NotFoundError` where nothing is known of the model.
    """
    now = monitors.clock.now()
    end = until or now
    versions = tuple(monitors.registry.versions(model))
    runs = tuple(monitors.journal.runs(model=model))
    if not versions and not runs:
        raise NotFoundError(f"nothing is known of a model {model}", remedy="`loopwright models` lists them")
    length = _point_length(end - since)
    found = [one for one in monitors.findings(model, limit=1000) if since < one.window_end <= end]
    judged = [one for one in found if one.kind == "drift" and one.judged and one.columns]
    champion = monitors.rollouts.champion(model)
    return HealthReport(
        model=model,
        at=now,
        since=since,
        until=end,
        champion=champion.number if champion else None,
        traffic_seconds=length.total_seconds(),
        traffic=tuple(_traffic(summaries(monitors.storage, model, since, end), length)),
        window=judged[0] if judged else None,
        psi_limit=(drift or Drift()).psi,
        columns=_pictures(monitors, judged),
        performance=performance,
        findings=tuple(found),
        alerts=tuple(one for one in monitors.alerts(model) if one.closed is None or one.closed >= since),
        versions=versions,
        rollouts=tuple(monitors.rollouts.rollouts(model=model)),
        runs=runs,
        training=tuple(trained_versions(monitors.storage, versions)),
        costs=tuple(run_costs(monitors.storage, (run for run in runs if since <= run.created <= end))),
        core_hour_price=core_hour_price,
        currency=currency,
        requests_to_retrain=tuple(one for one in requests_to_retrain if since <= one.at <= end),
    )


def _point_length(period: timedelta) -> timedelta:
    wanted = period.total_seconds() / 60 / POINTS
    return timedelta(minutes=next((minutes for minutes in POINT_MINUTES if minutes >= wanted), POINT_MINUTES[-1]))


def _traffic(found: Iterable[WindowSummary], length: timedelta) -> Iterator[TrafficPoint]:
    """A point for each window from the first with traffic to the last, also for those in which there was none."""
    parts: dict[datetime, list[WindowSummary]] = {}
    for one in found:
        parts.setdefault(window_of(one.start, length), []).append(one)
    start, last = min(parts, default=None), max(parts, default=None)
    while start is not None and last is not None and start <= last:
        yield _point(start, merge(parts.get(start, ())))
        start += length


def _point(start: datetime, merged: WindowSummary | None) -> TrafficPoint:
    if merged is None:
        return TrafficPoint(start=start, requests=0, errors=0, p50_ms=None, p99_ms=None)
    errors = sum(merged.errors.values())
    return TrafficPoint(
        start=start,
        requests=merged.requests + errors,
        errors=errors,
        p50_ms=latency_quantile(merged.latency, 0.5),
        p99_ms=latency_quantile(merged.latency, 0.99),
    )


def _pictures(monitors: Monitors, judged: Sequence[Finding]) -> tuple[ColumnPicture, ...]:
    if not judged:
        return ()
    latest = judged[0]
    version = monitors.registry.get(latest.model, latest.version)
    reference = {column.name: column for column in monitors.reference(version).columns}
    counts = _counts(monitors, latest)
    history: dict[str, list[tuple[datetime, float]]] = {}
    for finding in reversed(judged):
        for column in finding.columns:
            if column.psi is not None:
                history.setdefault(column.column, []).append((finding.window_end, column.psi))
    pictures = [
        _picture(column, reference[column.column], counts.get(column.column), history.get(column.column, []))
        for column in latest.columns
        if column.column in reference
    ]
    return tuple(sorted(pictures, key=lambda one: (not one.drift.drifted, -(one.drift.psi or 0.0))))


def _counts(monitors: Monitors, finding: Finding) -> dict[str, ColumnCounts]:
    found = summaries(monitors.storage, finding.endpoint, finding.window_start, finding.window_end)
    merged = merge(one for one in found if one.version == finding.version)
    return merged.columns if merged else {}


def _picture(
    drift: ColumnDrift,
    column: ReferenceColumn,
    counts: ColumnCounts | None,
    history: Sequence[tuple[datetime, float]],
) -> ColumnPicture:
    return ColumnPicture(
        drift=drift,
        labels=_labels(column),
        reference=_shares(column.counts),
        window=_shares(counts.bins) if counts else (),
        history=tuple(history),
    )


def _labels(column: ReferenceColumn) -> tuple[str, ...]:
    if column.kind == "category":
        return (*column.values, "others")
    edges = [f"{edge:.4g}" for edge in column.edges]
    if not edges:
        return ("any",)
    between = [f"{low} to {high}" for low, high in pairwise(edges)]
    return (f"below {edges[0]}", *between, f"from {edges[-1]}")


def _shares(counts: Sequence[int]) -> tuple[float, ...]:
    total = sum(counts)
    return tuple(count / total for count in counts) if total else ()
