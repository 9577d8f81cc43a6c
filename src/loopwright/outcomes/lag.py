"""How long it takes until it is known what came true: from predictions and outcomes to the time that labels need."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.outcomes.records import LabelLag
from loopwright.statistics.arrays import Floats
from loopwright.statistics.survival import kaplan_meier

STEPS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


def label_lag(frames: Iterable[pl.DataFrame], now: datetime) -> LabelLag | None:
    """The lag of the ledger's rows (`at`, `known_at`) as it stands `now`; None where there are none.

    An outcome known before its prediction was made has no lag. Those still to come count as awaited until now.
    """
    waits = _waits(frames, now)
    if waits is None:
        return None
    seconds, came = waits
    found = kaplan_meier(seconds, came)
    return LabelLag(
        predictions=len(seconds),
        known=int(came.sum()),
        within={f"{step:g}": time for step in STEPS if (time := found.within(step)) is not None},
        longest=max(0.0, float(seconds.max())),
        share=found.by(np.inf),
    )


def share_come(
    frames: Iterable[pl.DataFrame], now: datetime, watched: timedelta
) -> Callable[[timedelta], float] | None:
    """Of the labels that ever come, what share has by an age; None where none does, or no prediction was made so long
    ago as `watched`: what has never been seen cannot be said not to come.
    """
    waits = _waits(frames, now)
    if waits is None or not (found := kaplan_meier(*waits)).times.size:
        return None
    if float(waits[0].max()) < watched.total_seconds():
        return None
    return lambda age: found.by(age.total_seconds()) / found.by(np.inf)


def _waits(frames: Iterable[pl.DataFrame], now: datetime) -> tuple[Floats, NDArray[np.bool_]] | None:
    """How many seconds each label took, or is awaited; and whether it came."""
    parts = [frame.select("at", "known_at") for frame in frames if frame.height]
    if not parts:
        return None
    rows = pl.concat(parts)
    waited = rows.select((pl.coalesce("known_at", pl.lit(now)) - pl.col("at")).dt.total_microseconds() / 1e6)
    return waited.to_series().to_numpy(), rows["known_at"].is_not_null().to_numpy()
