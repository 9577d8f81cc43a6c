"""Drift reports: of two files, of captured rows against those the champion was evaluated on, or of what was counted."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl

from loopwright.bootstrap.platform import Platform, load_adapter
from loopwright.bundle.bins import count_categories, count_numbers
from loopwright.bundle.records import Reference
from loopwright.core.clock import parse_duration
from loopwright.core.codec import from_json
from loopwright.core.decision import Reason, decide
from loopwright.core.ids import derived_id
from loopwright.data.captured_rows import last_rows
from loopwright.data.reading import write_part
from loopwright.data.records import DatasetVersion
from loopwright.data.snapshot import load_rows, version_key
from loopwright.data.sources import list_source
from loopwright.declare import Declaration
from loopwright.errors import DataError, NotFoundError
from loopwright.monitoring.columns import compare_columns, compare_counts
from loopwright.monitoring.drift import compare_rows, report_rows
from loopwright.monitoring.records import ColumnDrift, DriftReport, Finding, JointDrift
from loopwright.monitoring.rules import judge_joint
from loopwright.monitoring.windows import kept_between
from loopwright.policies.retraining import Drift
from loopwright.ports.storage import Storage
from loopwright.registry.records import ModelVersion
from loopwright.traffic.predictions import INPUT, OUTPUT
from loopwright.traffic.summary import ColumnCounts, merge
from loopwright.training.split import assign

MOST_ROWS = 1_000_000
"""Captured rows that are looked at, the latest."""

WORTH = 0.01
"""Inputs that carry less of the importance are not shown to the classifier: running numbers tell any rows apart."""


def drift_of_files(
    reference: str, current: str, drift: Drift, *, importance: dict[str, float] | None = None
) -> DriftReport:
    """One file (CSV, Parquet, JSON lines; a glob or a URL will do) against another.

    A warning names the columns that only one of them has. Raises `SourceError`, and `DataError` where there is nothing
    to compare.
    """
    was, now = read_rows(reference), read_rows(current)
    weights = importance or {}
    columns = compare_rows(was, now, drift, weights)
    if not columns or not was.height:
        lack = f"{reference} has no rows" if columns else f"{reference} and {current} share no column to compare"
        remedy = f"the one has {', '.join(was.columns)}; the other {', '.join(now.columns)}"
        raise DataError(lack, remedy="name another file" if columns else remedy)
    found = report_rows(
        columns,
        _joint(was, now, weights),
        drift,
        reference=reference,
        current=current,
        rows=now.height,
        was_rows=was.height,
    )
    return replace(found, decision=decide([*found.decision.reasons, *_alone(was, now)]))


def drift_of_captures(platform: Platform, model: str, drift: Drift, since: datetime) -> DriftReport:
    """The champion's captured requests since then against its test rows, and its predictions against those of these
    rows, of which the reference has counts. Raises `NotFoundError`.
    """
    champion = _champion(platform, model)
    captured = _captured(platform, champion, since, platform.clock.now())
    now, reference = _inputs(captured), platform.monitors.reference(champion)
    was, weights = evaluation_rows(platform, champion), _importance(reference)
    return report_rows(
        compare_rows(was, now, drift, weights, _usual(reference), list(_predictions(reference, captured))),
        _joint(was, now, weights),
        drift,
        reference=f"the {was.height:,} test rows of version {champion.number}",
        current=f"{now.height:,} captured rows since {since:%Y-%m-%d %H:%M}",
        rows=now.height,
        was_rows=was.height,
    )


def drift_of_counts(platform: Platform, model: str, drift: Drift, since: datetime) -> DriftReport:
    """The champion's windows since then, as they were counted, against its reference: quick, whatever the traffic was.

    Raises `NotFoundError` where no window was looked at.
    """
    champion, length = _champion(platform, model), parse_duration(drift.window)
    windows = kept_between(platform.storage, champion.model, champion.number, since, platform.clock.now(), length)
    merged = merge(windows)
    if merged is None:
        raise NotFoundError(
            f"no window of {champion.model}, version {champion.number}, was looked at since {since:%Y-%m-%d %H:%M}",
            remedy=f"windows of {drift.window} are looked at when they are over; look further back with --since",
        )
    reference = platform.monitors.reference(champion)
    return report_rows(
        compare_columns(reference, merged, drift),
        None,
        drift,
        reference=f"the {reference.rows:,} test rows of version {champion.number}",
        current=f"{len(windows)} windows since {since:%Y-%m-%d %H:%M}",
        rows=merged.rows,
        was_rows=reference.rows,
        exact=False,
    )


def look_at_rows(platform: Platform, declaration: Declaration, found: Iterable[Finding]) -> list[Finding]:
    """A finding of kind `joint` for each judged window of drift: its captured rows against the test rows, together."""
    made = []
    for finding in found:
        champion = platform.rollouts.champion(declaration.name)
        if finding.kind != "drift" or not finding.judged or champion is None or champion.number != finding.version:
            continue
        try:
            now = _inputs(_captured(platform, champion, finding.window_start, finding.window_end))
            was = evaluation_rows(platform, champion)
        except NotFoundError:
            continue  # nothing was captured in it, or the version was imported: there are no rows to hold against rows
        verdict = judge_joint(_joint(was, now, _importance(platform.monitors.reference(champion))), declaration.drift)
        other = replace(
            finding,
            id=derived_id("finding", finding.id, "joint"),
            kind="joint",
            judged=verdict.judged,
            decision=verdict.decision,
            columns=(),
            at=platform.clock.now(),
        )
        made += [other] if platform.monitors.keep(other) else []
    return made


def read_rows(source: str) -> pl.DataFrame:
    """All rows of a source, typed as the data room types them. Raises `SourceError`."""
    frames = []
    with tempfile.TemporaryDirectory(prefix="loopwright-drift-") as folder:
        for file in list_source(source, Path.cwd()):
            brought = file.bring(Path(folder))
            part, _ = write_part(brought, file.origin, file.format, Path(folder) / "typed.parquet")
            frames.append(pl.read_parquet(part, glob=False))
    return pl.concat(frames, how="diagonal_relaxed")


def evaluation_rows(platform: Platform, version: ModelVersion) -> pl.DataFrame:
    """The rows that `version` was tested on, before its refit. Raises `NotFoundError` where its data is gone."""
    if version.split is None:
        raise NotFoundError(
            f"version {version.number} of {version.model} was not trained here, so its test rows are not known",
            remedy="name a file of rows with --reference",
        )
    rows = load_rows(_dataset(platform.storage, version), platform.storage, platform.home / "cache")
    return rows.filter(assign(version.split, rows) == "test").collect()


def _alone(was: pl.DataFrame, now: pl.DataFrame) -> Iterator[Reason]:
    """What only one side has, which a misspelt or renamed column is on both."""
    for side, has, other in (("reference", was, now), ("current", now, was)):
        if names := [name for name in has.columns if name not in other.columns]:
            text = f"{', '.join(names)} could not be compared: only the {side} file has that"
            yield Reason(rule="columns", finding="warn", text=text)


def _dataset(storage: Storage, version: ModelVersion) -> DatasetVersion:
    return from_json(storage.get(version_key(version.model, version.dataset)), DatasetVersion)


def _champion(platform: Platform, model: str) -> ModelVersion:
    champion = platform.rollouts.champion(model)
    if champion is None:
        raise NotFoundError(f"{model} has no champion yet", remedy="`loopwright run` makes one")
    return champion


def _captured(platform: Platform, champion: ModelVersion, since: datetime, until: datetime) -> pl.DataFrame:
    """What was captured of the champion in [since, until), as the segments have it."""
    found = last_rows(
        platform.storage,
        champion.model,
        version=champion.number,
        inputs=(),
        rows=MOST_ROWS,
        until=until,
        scratch=platform.home / "cache",
    ).frame
    rows = found.filter(pl.col("at") >= since) if found.height else found
    if not rows.height:
        raise NotFoundError(
            f"no request of {champion.model}, version {champion.number}, was captured since {since:%Y-%m-%d %H:%M}",
            remedy="look further back with --since, or leave --exact out",
        )
    return rows


def _inputs(captured: pl.DataFrame) -> pl.DataFrame:
    """Under their own names."""
    names = [name for name in captured.columns if name.startswith(INPUT)]
    return captured.select(pl.col(name).alias(name.removeprefix(INPUT)) for name in names)


def _predictions(reference: Reference, captured: pl.DataFrame) -> Iterator[ColumnDrift]:
    """Those that are one value a row, on the reference's bins."""
    for column in reference.columns:
        if column.name.startswith(OUTPUT) and column.name in captured.columns:
            values = captured[column.name].drop_nulls()
            if column.kind == "number":
                counts = count_numbers(column.edges, values.cast(pl.Float64).to_numpy())
            else:
                counts = count_categories(column.values, values.cast(pl.String).to_list())
            missing = captured.height - int(counts.sum())
            yield compare_counts(column, ColumnCounts(bins=tuple(counts.tolist()), missing=missing), 0.0)


def _importance(reference: Reference) -> dict[str, float]:
    inputs = (one for one in reference.columns if one.name.startswith(INPUT))
    return {one.name.removeprefix(INPUT): one.importance for one in inputs}


def _usual(reference: Reference) -> dict[str, float]:
    """What single windows reach, which is more than windows together do: in doubt nothing has drifted."""
    inputs = (one for one in reference.columns if one.name.startswith(INPUT))
    return {one.name.removeprefix(INPUT): one.usual for one in inputs}


def _joint(was: pl.DataFrame, now: pl.DataFrame, importance: dict[str, float]) -> JointDrift | None:
    """LightGBM is loaded for it, which takes a second that no other command and no worker should wait for."""
    total = sum(importance.values())
    wanted = [name for name, weight in importance.items() if weight >= WORTH * total] if total > 0 else None
    found: JointDrift | None = load_adapter("loopwright.monitoring.joint").joint_drift(was, now, columns=wanted)
    return found
