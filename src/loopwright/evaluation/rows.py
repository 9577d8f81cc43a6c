"""The rows of an evaluation: which train, validate and test, what came true, and in which order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.core.clock import parse_duration
from loopwright.errors import DataError
from loopwright.statistics.bootstrap import Resampling, by_blocks, by_rows
from loopwright.statistics.dependence import Dependence, in_clusters, in_order, independent
from loopwright.training.records import SplitPlan
from loopwright.training.split import assign

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Places = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """All rows of a version, `[N]` each: `truth` is NaN where unknown, and the masks leave such rows out.

    `moments` says when each row happened (microseconds since 1970, a number's own value, or the row's number), NaN
    where unknown; None where rows are in no order. `dated` says that they are moments of time. `delay` is how long,
    in the same unit, it takes until a row's truth is known; None where that cannot be told. `strangers` counts test
    rows left out because their class is none of `classes`.
    """

    truth: Floats
    train: Mask
    validation: Mask
    test: Mask
    classes: int
    moments: Floats | None = None
    dated: bool = False
    delay: float | None = 0.0
    strangers: int = 0
    keys: NDArray[np.uint64] | None = None

    @property
    def test_places(self) -> Places:
        """The test rows' numbers, the oldest first where rows are ordered."""
        places = np.flatnonzero(self.test)
        return places if self.moments is None else places[np.argsort(self.moments[places], kind="stable")]


def read_history(
    plan: SplitPlan, rows: pl.LazyFrame, outcomes: pl.Series, truth: Floats, classes: int, key: str | None = None
) -> History:
    """The rows as `plan` parts them; `truth` is what `outcomes` come to. Raises `DataError` without a test row."""
    parts = assign(plan, rows).to_numpy()
    known = ~np.isnan(truth)
    moments, dated = _moments(plan, rows, len(truth))
    history = History(
        truth=truth,
        train=known & (parts == "train"),
        validation=known & (parts == "validation"),
        test=known & (parts == "test"),
        classes=classes,
        moments=moments,
        dated=dated,
        delay=_delay(plan),
        strangers=int(((parts == "test") & ~known & outcomes.is_not_null().to_numpy()).sum()),
        keys=None if key is None else rows.select(pl.col(key).hash()).collect().to_series().to_numpy(),
    )
    if not history.test.any():
        raise DataError(
            "no test row has a known target", remedy="bring newer labelled rows, or change split=Split(test=…)"
        )
    return history


def take(rows: pl.LazyFrame, names: Iterable[str], places: Places) -> pl.DataFrame:
    """The rows at `places` in that order, one whole column in memory at a time."""
    return pl.DataFrame([rows.select(name).collect().to_series().gather(places) for name in names])


def resampling(history: History, places: Places, seed: int) -> Resampling:
    """How to draw `places` again: row by row, or in blocks of whole moments where rows are ordered."""
    if history.moments is None:
        return by_rows(len(places), seed=seed)
    different = len(np.unique(history.moments[places]))
    return by_blocks(len(places), length=ceil(len(places) / different * different ** (1 / 3)), seed=seed)


def dependence(history: History, places: Places) -> Dependence:
    """Which of the rows at `places` may resemble each other: neighbours where rows are ordered, those of one key."""
    keys = None if history.keys is None else in_clusters(history.keys[places])
    if history.moments is None:
        return independent(len(places)) if keys is None else keys
    return in_order(history.moments[places], keys)


def moment(written: str) -> float:
    """A moment as a plan or a candidate writes it down, as `History.moments` has it."""
    try:
        return float(written)
    except ValueError:
        when = datetime.fromisoformat(written)
        return (when.replace(tzinfo=None) - datetime(1970, 1, 1)) / timedelta(microseconds=1)  # noqa: DTZ001


def _moments(plan: SplitPlan, rows: pl.LazyFrame, count: int) -> tuple[Floats | None, bool]:
    if plan.kind == "hash":
        return None, False
    if plan.kind == "rows":
        return np.arange(count, dtype=np.float64), False
    values = rows.select(plan.column).collect().to_series()
    dated = values.dtype.is_temporal()
    return (values.dt.epoch("us") if dated else values).cast(pl.Float64).to_numpy(), dated


def _delay(plan: SplitPlan) -> float | None:
    """A delay in time says nothing of how many rows it is."""
    delay = parse_duration(plan.label_delay) / timedelta(microseconds=1)
    return None if delay and plan.kind == "rows" else delay
