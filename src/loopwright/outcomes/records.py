"""What the ledger gives out: the losses of a version, row by row."""

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
