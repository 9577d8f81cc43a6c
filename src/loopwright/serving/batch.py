"""Answered requests put end to end: what captures and summaries are both made from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from loopwright.serving.endpoints import LiveVariant
from loopwright.serving.recorder import Served
from loopwright.serving.router import place
from loopwright.serving.tabular import Values
from loopwright.serving.typed import gathered


class Batch:
    """One variant's records, as columns."""

    def __init__(self, live: LiveVariant, records: Sequence[Served]) -> None:
        self.live = live
        self.records = records
        self._columns: dict[str, Values] = {}

    @cached_property
    def counts(self) -> list[int]:
        """How many rows each record has."""
        return [one.rows for one in self.records]

    @cached_property
    def rows(self) -> int:
        return sum(self.counts)

    def column(self, name: str) -> Values:
        """A raw column's values; None where a request has no such column."""
        found = self._columns.get(name)
        if found is None:
            parts = [(one.columns.get(name), one.rows) for one in self.records]
            found = self._columns[name] = gathered(parts)
        return found

    def output(self, name: str) -> NDArray[np.generic]:
        """An output's values, as the model gave them."""
        return np.concatenate([one.outputs[name] for one in self.records])

    def sampled(self, share: float) -> Batch:
        """The records that a capture policy keeps: by their prediction id, so that a share is a fair one."""
        if share >= 1:
            return self
        kept = [one for one in self.records if place("capture", one.prediction_id) < 100 * share]
        return Batch(self.live, kept)
