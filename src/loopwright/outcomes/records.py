"""What the ledger gives out: the losses of a version, row by row, and how long labels take to come."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

LossName = Literal["brier", "absolute error"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Losses:
    """The loss of each prediction of `version` in [`since`, `until`) whose outcome is known, oldest first.

    `unit` [n] names whom a row belongs to (the sticky key's value, else the model's key, else the request), `loss` [n]
    is less where better, `at` [n] is when it was predicted (UTC, microseconds). `most` is the greatest loss there can
    be, 1 for classes (half the squared distance between probabilities and truth) and None for numbers (the absolute
    error). `predictions` counts all rows, also those whose outcome is still to come.
    """

    model: str
    version: int
    since: datetime
    until: datetime
    name: LossName
    most: float | None
    predictions: int
    unit: NDArray[np.str_] = field(repr=False)
    loss: NDArray[np.float64] = field(repr=False)
    at: NDArray[np.datetime64] = field(repr=False)

    @property
    def coverage(self) -> float:
        return len(self.loss) / self.predictions if self.predictions else 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelLag:
    """How long it takes from a prediction until it is known what came true, by the product-limit estimate.

    Of `predictions` the labels of `known` have come. `within` maps shares ("0.5", "0.95") to the seconds within which
    so many come; one that takes longer than has been seen is not there. `share` come within `longest` seconds, the
    greatest age there is.
    """

    predictions: int
    known: int
    within: dict[str, float]
    longest: float
    share: float

    def __str__(self) -> str:
        """In words, such as "half come within 2 hours, 95 % within 9 days"."""
        if not self.known:
            return f"none has come, {_length(self.longest)} after the first prediction"
        parts = [
            f"{name} {'come ' if place == 0 else ''}within {_length(self.within[share])}"
            for place, (share, name) in enumerate((("0.5", "half"), ("0.95", "95 %")))
            if share in self.within
        ]
        if "0.95" in self.within:
            return ", ".join(parts)
        come = "" if parts else "come "
        parts.append(f"{self.share:.0%} {come}within {_length(self.longest)}")
        return f"{', '.join(parts)}, and what comes later is not known yet"


def _length(seconds: float) -> str:
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            count = round(seconds / size, 1 if seconds < 10 * size else 0)
            return f"{count:g} {unit}{'' if count == 1 else 's'}"
    return f"{seconds:.0f} seconds"
