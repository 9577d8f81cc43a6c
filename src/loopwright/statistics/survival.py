"""How long something takes to come, where part of it has not come yet."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from loopwright.statistics.arrays import AnyArray, Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """The share that has come by each of `times` (rising): `share` is a staircase, 0 before the first step.

    `error` is each share's standard error (Greenwood, 1926). All are [steps], with none where nothing has come.
    """

    times: Floats = field(repr=False)
    share: Floats = field(repr=False)
    error: Floats = field(repr=False)

    def by(self, time: float) -> float:
        """The share that comes within `time`."""
        place = int(np.searchsorted(self.times, time, side="right"))
        return float(self.share[place - 1]) if place else 0.0

    def within(self, share: float) -> float | None:
        """The time within which `share` of all comes; None where that is longer than was seen."""
        place = int(np.searchsorted(self.share, share - 1e-12))
        return float(self.times[place]) if place < len(self.times) else None


def kaplan_meier(waited: AnyArray, came: AnyArray) -> Arrival:
    """The product-limit estimate (Kaplan & Meier, 1958, section 2) of how long things take to come.

    `waited` [n] is how long each took, or, where `came` [n] is false, how long it has been waited for in vain; those
    are not left out, which would make all seem quick, but count among the awaited until then. Of equal times what came
    is counted first. Negative waits count as 0; one that is not finite is left out.
    """
    times = np.asarray(waited, dtype=np.float64)
    sound = np.isfinite(times)
    times, hit = np.maximum(times[sound], 0.0), np.asarray(came, dtype=bool)[sound]
    steps, place = np.unique(times, return_inverse=True)
    arrivals = np.bincount(place, weights=hit, minlength=len(steps))
    awaited = len(times) - np.concatenate([[0.0], np.cumsum(np.bincount(place, minlength=len(steps)))])[:-1]
    left = np.cumprod(1 - arrivals / awaited) if len(steps) else np.empty(0)
    ends = awaited == arrivals  # the last one came: nothing is left, and that is certain
    terms = np.where(ends, 0.0, arrivals / (awaited * np.where(ends, 1.0, awaited - arrivals)))
    error = left * np.sqrt(np.cumsum(terms))
    moved = arrivals > 0
    return Arrival(times=steps[moved], share=1 - left[moved], error=error[moved])
