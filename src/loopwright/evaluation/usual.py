"""How unlike the rest an ordinary window of the evaluation rows is: rows of one window often share what others do not.

A drift test takes rows for independent. A day's rows that share their weather are not: nearly every day is surely
unlike the others, and so will the next one be. What ordinary days reach, it must reach to be called drifted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import polars as pl

from loopwright.bundle.encoding import category_texts
from loopwright.bundle.frames import series_values
from loopwright.bundle.records import ReferenceColumn
from loopwright.core.clock import parse_duration
from loopwright.policies.retraining import Drift
from loopwright.statistics.arrays import Places
from loopwright.statistics.comparison import alike
from loopwright.statistics.divergence import psi_each

FEWEST_WINDOWS = 10
"""Windows that are needed to say what ordinary ones reach."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Windows:
    """Which window each row is of, [rows]: 1 … `count`, or 0 where it has no time or too few rows share its window."""

    of: Places
    count: int


def cut_windows(times: pl.Series, drift: Drift) -> Windows | None:
    """The windows of `drift` with rows enough to be judged, aligned as those of traffic are (to 1970, in UTC).

    Times without a zone are taken for UTC; where they are mere dates, no window is shorter than a day. None where there
    are fewer than `FEWEST_WINDOWS`, or times are numbers, whose unit is not known.
    """
    if times.dtype != pl.Date and not isinstance(times.dtype, pl.Datetime):
        return None
    length = parse_duration(drift.window) // timedelta(microseconds=1)
    of = (times.dt.epoch("us") // length).rank("dense").fill_null(0).to_numpy().astype(np.int64)
    enough = np.bincount(of, minlength=1) >= drift.min_rows
    enough[0] = False
    count = int(enough.sum())
    return Windows(of=(np.cumsum(enough) * enough)[of], count=count) if count >= FEWEST_WINDOWS else None


def usual_psi(column: ReferenceColumn, values: pl.Series, windows: Windows, alpha: float) -> float:
    """The greatest PSI of a window against all other rows, on the bins of `column`; 0 where it would be mere chance.

    If windows come in no order, the next one is the most unlike of `count + 1` with chance 1 / (count + 1), whatever
    their distribution and however rows hang together within them (the rank of exchangeable scores, as in conformal
    prediction: Vovk, Gammerman and Shafer, 2005). Where all windows may well be samples of one population
    (p >= `alpha`) the rows are as independent as the drift test has it, and nothing is usual.
    """
    counts = _counts(column, values, windows)
    found = counts[1:][counts[1:].sum(axis=1) > 0]
    tested = alike(found) if len(found) >= FEWEST_WINDOWS else None
    if tested is None or tested.p_value >= alpha:
        return 0.0
    return float(psi_each(counts.sum(axis=0) - found, found).max())


def _counts(column: ReferenceColumn, values: pl.Series, windows: Windows) -> Places:
    """Counts [1 + windows, bins] of the rows, the first of those in no window."""
    places = _number_places(column, values) if column.kind == "number" else _category_places(column, values)
    bins = len(column.counts)
    counts = np.bincount(windows.of * (bins + 1) + places, minlength=(windows.count + 1) * (bins + 1))
    return counts.reshape(windows.count + 1, bins + 1)[:, :bins]


def _number_places(column: ReferenceColumn, values: pl.Series) -> Places:
    """The bin of each number, one beyond the last where it is missing."""
    numbers = values.cast(pl.Float64).to_numpy()
    places = np.zeros(len(numbers), dtype=np.uint8)
    for edge in column.edges:  # a comparison costs less than to look for the place of each value among a few edges
        places += numbers >= edge
    places[np.isnan(numbers)] = len(column.counts)
    return places.astype(np.int64)


def _category_places(column: ReferenceColumn, values: pl.Series) -> Places:
    """The bin of each category, one beyond the last where it is missing."""
    known: dict[str | None, int] = {text: place for place, text in enumerate(column.values)}
    known[None] = len(column.counts)
    different = values.unique()
    bins = [known.get(text, len(column.values)) for text in category_texts(series_values(different))]
    return values.replace_strict(different, bins, return_dtype=pl.Int64).to_numpy()
