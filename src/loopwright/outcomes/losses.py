"""The loss of each served row: what a rollout's quality guard and an A/B test compare versions by."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.bundle.records import Manifest
from loopwright.evaluation.tasks import Scores
from loopwright.outcomes.ledger import read_ledger
from loopwright.outcomes.measured import manifest_of, measure_rows
from loopwright.outcomes.records import Losses
from loopwright.policies.tasks import TaskName
from loopwright.ports.storage import Storage
from loopwright.registry.service import Registry
from loopwright.traffic.predictions import INPUT


def losses(
    model: str,
    version: int,
    since: datetime,
    until: datetime,
    *,
    storage: Storage,
    registry: Registry,
    scratch: Path,
    sticky_by: str | None = None,
    as_of: datetime | None = None,
) -> Losses:
    """The losses of `version` on what it predicted in [since, until) and whose outcome is known, or was `as_of`.

    Rows are of one unit where they have the same value in the raw column `sticky_by`, if that was captured; else the
    same key; else came in the same request. Raises `NotFoundError` for a version that is not registered.
    """
    manifest = manifest_of(storage, registry, model, version)
    inputs = [sticky_by] if sticky_by else []
    found = read_ledger(storage, model, since, until, scratch=scratch, as_of=as_of, inputs=inputs).get(version)
    unit, loss, at = _measured(manifest, found, sticky_by) if found is not None else _NOTHING
    return Losses(
        model=model,
        version=version,
        since=since,
        until=until,
        name="absolute error" if manifest.task == "regression" else "brier",
        most=None if manifest.task == "regression" else 1.0,
        predictions=0 if found is None else found.height,
        unit=unit,
        loss=loss,
        at=at,
    )


def row_losses(task: TaskName, scores: Scores, truth: Scores) -> Scores:
    """The loss of each row, less where better: of numbers the absolute error.

    Of probabilities half the squared distance between them and the truth (Brier, 1950, "Verification of forecasts
    expressed in terms of probability"): from 0 to 1, and proper, so that only honest probabilities do best.
    """
    if task == "regression":
        return np.abs(scores - truth)
    if task == "binary":
        return (scores - truth) ** 2
    hit = np.arange(scores.shape[1]) == truth[:, None]
    found: Scores = ((scores - hit) ** 2).sum(axis=1) / 2
    return found


def unit_names(rows: pl.DataFrame, sticky_by: str | None = None) -> NDArray[np.str_]:
    """Whom each of the ledger's rows belongs to [n]: see `losses`."""
    unit = pl.coalesce("key", pl.col("prediction_id").str.replace(r":\d+$", ""))
    if sticky_by is not None and INPUT + sticky_by in rows.columns:
        unit = pl.coalesce(pl.col(INPUT + sticky_by).cast(pl.String), unit)
    return rows.select(unit).to_series().to_numpy().astype(np.str_)


def _measured(manifest: Manifest, rows: pl.DataFrame, sticky_by: str | None) -> _Arrays:
    measured = measure_rows(manifest, rows)
    known = measured.known
    loss = row_losses(manifest.task, measured.scores[known], measured.truth[known])
    at = rows["at"].dt.replace_time_zone(None).to_numpy()
    return unit_names(rows, sticky_by)[known], loss, at[known]


_Arrays = tuple[NDArray[np.str_], NDArray[np.float64], NDArray[np.datetime64]]
_NOTHING: _Arrays = (np.empty(0, dtype=np.str_), np.empty(0), np.empty(0, dtype="datetime64[us]"))
