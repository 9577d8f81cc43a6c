"""A figure over all rows from those whose truth is known, where what is known depends on the score."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from loopwright.statistics.arrays import AnyArray, Bools, Floats, Places, divide
from loopwright.statistics.bootstrap import Interval, Resampling
from loopwright.statistics.statistic import Statistic, Sums

STRATA = 10
LEAST = 5
"""A stratum needs so many known rows to speak for the others in it."""

RANKED_ROWS = 20_000
"""Known rows up to which a figure of ranks is drawn again whole; above, draws of so many tell its spread."""

_RANKED_RESAMPLES = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Strata:
    """Rows dealt by their score: `place` [rows] is each row's stratum, of `count`.

    `borrowed` is the share of rows whose own tenth had too few known ones and was put together with the next.
    """

    place: Places = field(repr=False)
    count: int
    borrowed: float

    def weights(self, known: Bools, counts: Floats | None = None) -> Floats:
        """How many rows each known one stands for, [known rows]: all of its stratum over the known of it."""
        everything = np.ones(len(self.place)) if counts is None else counts
        rows = np.bincount(self.place, weights=everything, minlength=self.count).astype(np.float64)
        seen = np.bincount(self.place[known], weights=everything[known], minlength=self.count).astype(np.float64)
        stands: Floats = divide(rows, seen, otherwise=0.0)[self.place[known]] * everything[known]
        return stands


def stratify(score: AnyArray, known: Bools, *, strata: int = STRATA, least: int = LEAST) -> Strata | None:
    """Tenths of all rows by `score` [rows]; one with fewer than `least` known rows goes with its lower neighbour.

    None where fewer than `least` rows are known at all.
    """
    if known.sum() < least:
        return None
    edges = np.unique(np.quantile(score, np.linspace(0, 1, strata + 1)[1:-1]))
    tenth = np.searchsorted(edges, score, side="right").astype(np.int64)
    rows = np.bincount(tenth, minlength=len(edges) + 1)
    seen = np.bincount(tenth[known], minlength=len(edges) + 1)
    into, gathered = np.zeros(len(seen), dtype=np.int64), 0
    for one in range(1, len(seen)):
        gathered += int(seen[one - 1])
        full = gathered >= least and seen[one:].sum() >= least
        into[one] = into[one - 1] + full
        gathered = 0 if full else gathered
    return Strata(
        place=into[tenth], count=int(into[-1]) + 1, borrowed=float(rows[seen < least].sum() / max(1, rows.sum()))
    )


def reweighted(
    statistic: Statistic, strata: Strata, known: Bools, resampling: Resampling, *, confidence: float = 0.95
) -> Interval | None:
    """The statistic, which is over the known rows, as it would be over all; None where it has no value.

    Post-stratification (Horvitz & Thompson, 1952; Little & Rubin, "Statistical Analysis with Missing Data", 2002,
    ch. 3.3): each known row counts as often as there are rows like it. It is right where, within a tenth of the score,
    whether the truth is known has nothing to do with what it is. The interval draws all rows again (`resampling` is
    over them), with new weights each time: few known rows in a stratum that stands for many make it wide.
    """
    value = statistic.value(strata.weights(known))
    if not np.isfinite(value):
        return None
    if isinstance(statistic, Sums):
        values = _of_sums(statistic, strata, known, resampling)
    else:
        values = _of_ranks(statistic, value, strata, known, resampling)
    sound = values[np.isfinite(values)]
    tail = (1 - confidence) / 2
    bounded = len(sound) >= len(values) / 2
    low, high = np.quantile(sound, [tail, 1 - tail]) if bounded else (None, None)
    return Interval(
        value=value,
        low=None if low is None else float(low),
        high=None if high is None else float(high),
        confidence=confidence,
        resamples=len(values),
    )


def _of_sums(statistic: Sums, strata: Strata, known: Bools, resampling: Resampling) -> Floats:
    """Sums of each unit and stratum are made once; resamples then weigh those, not rows."""
    counts, units, width = resampling.counts, resampling.counts.shape[1], strata.count
    cell = resampling.unit * width + strata.place
    rows = counts @ np.bincount(cell, minlength=units * width).reshape(units, width)
    seen = counts @ np.bincount(cell[known], minlength=units * width).reshape(units, width)
    sums = statistic.by_group(cell[known], units * width).reshape(units, width * statistic.slots)
    drawn = (counts @ sums).reshape(len(counts), width, statistic.slots)
    return statistic.finish((drawn * divide(rows, seen, otherwise=0.0)[..., None]).sum(axis=1))


def _of_ranks(statistic: Statistic, value: float, strata: Strata, known: Bools, resampling: Resampling) -> Floats:
    """Each resample is ranked. Of many rows only part is drawn, and the spread taken down accordingly (the m out of n
    bootstrap: Bickel, Götze & van Zwet, 1997).
    """
    rows = int(known.sum())
    keep = min(1.0, RANKED_ROWS / rows)
    kept = np.random.default_rng(rows).random(len(known)) < keep if keep < 1 else np.ones(len(known), dtype=bool)
    draws = (count[resampling.unit] * kept for count in resampling.counts[:_RANKED_RESAMPLES])
    values = np.array([statistic.value(strata.weights(known, draw)) for draw in draws])
    middle = float(np.nanmean(values)) if np.isfinite(values).any() else value
    spread: Floats = value + (values - (middle if keep < 1 else value)) * np.sqrt(keep)
    return spread
