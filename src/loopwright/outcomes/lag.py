"""How long it takes until it is known what came true: from predictions and outcomes to the time that labels need."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import numpy as np
import polars as pl

from loopwright.outcomes.records import LabelLag
from loopwright.statistics.survival import kaplan_meier

STEPS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


def label_lag(frames: Iterable[pl.DataFrame], now: datetime) -> LabelLag | None:
    """The lag of the ledger's rows (`at`, `known_at`) as it stands `now`; None where there are none.

    An outcome known before its prediction was made has no lag. Those still to come count as awaited until now.
    """
    parts = [frame.select("at", "known_at") for frame in frames if frame.height]
    if not parts:
        return None
    rows = pl.concat(parts)
    waited = rows.select((pl.coalesce("known_at", pl.lit(now)) - pl.col("at")).dt.total_microseconds() / 1e6)
    came = rows["known_at"].is_not_null().to_numpy()
    seconds = waited.to_series().to_numpy()
    found = kaplan_meier(seconds, came)
    return LabelLag(
        predictions=rows.height,
        known=int(came.sum()),
        within={f"{step:g}": time for step in STEPS if (time := found.within(step)) is not None},
        longest=max(0.0, float(seconds.max())),
        share=found.by(np.inf),
    )
