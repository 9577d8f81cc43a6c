"""Answered requests put end to end: what captures and summaries are both made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopwright.bundle.blocks import Block
from loopwright.serving.endpoints import LiveVariant
from loopwright.serving.recorder import Served
from loopwright.serving.router import place
from loopwright.serving.tabular import Values
from loopwright.serving.typed import gathered

CHUNK = 256
"""Records gathered at once: they fit the processor's cache, and the GIL is held for half a millisecond at most."""


class Batch:
    """One variant's records, as columns."""

    def __init__(self, live: LiveVariant, records: Sequence[Served]) -> None:
        self.live = live
        self.records = records
        self._columns: dict[str, Values] = {}
        self._outputs: dict[str, NDArray[np.generic]] = {}
        self._gathered = False

    @cached_property
    def counts(self) -> list[int]:
        """How many rows each record has."""
        return [one.rows for one in self.records]

    @cached_property
    def rows(self) -> int:
        return sum(self.counts)

    @cached_property
    def blocks(self) -> bool:
        """Whether all records are blocks of the model's inputs, and of nothing else."""
        names = self.live.model.names
        return all(type(one.columns) is Block and one.columns.names == names for one in self.records)

    @cached_property
    def latencies(self) -> NDArray[np.float64]:
        """Milliseconds, one for each record."""
        return np.array([one.latency_ms for one in self.records])

    def column(self, name: str) -> Values:
        """A raw column's values; None (NaN in a column of numbers) where a request has no such column."""
        if not self._gathered:
            self._gathered = True
            self._gather()
        found = self._columns.get(name)
        if found is None:
            parts = [(one.columns.get(name), one.rows) for one in self.records]
            found = self._columns[name] = gathered(parts)
        return found

    def output(self, name: str) -> NDArray[np.generic]:
        """An output's values, as the model gave them."""
        found = self._outputs.get(name)
        if found is None:
            found = self._outputs[name] = np.concatenate([one.outputs[name] for one in self.records])
        return found

    def sampled(self, share: float) -> Batch:
        """The records that a capture policy keeps: by their prediction id, so that a share is a fair one."""
        if share >= 1:
            return self
        kept = [one for one in self.records if place("capture", one.prediction_id) < 100 * share]
        return Batch(self.live, kept)

    def _gather(self) -> None:
        """All inputs in one walk over the records: a walk for each column would miss the cache at every value."""
        if not self.records or is_long(self.records[0]):
            return
        inputs = self.live.model.inputs
        numbers = [one.name for one in inputs if one.kind == "number"]
        if len(numbers) == len(inputs) and self.blocks:
            self._columns.update(_blocks(self.records, self.live.model.names))
            return
        try:
            self._split(numbers, _flat(self.records, numbers, np.float64))
        except (TypeError, ValueError, OverflowError):
            self._split(numbers, _numeric(_flat(self.records, numbers, np.object_)))
        others = [one.name for one in inputs if one.kind != "number"]
        self._split(others, _flat(self.records, others, np.object_))

    def _split(self, names: Sequence[str], flat: NDArray[Any]) -> None:
        """`flat` holds record after record, in each column after column, in each row after row."""
        rows = np.asarray(self.counts)
        step = np.repeat(rows, rows)
        starts = np.repeat(np.cumsum(rows) - rows, rows)
        first = np.arange(self.rows) + starts * (len(names) - 1)
        for number, name in enumerate(names):
            column = flat[first + number * step]
            self._columns[name] = column.tolist() if column.dtype == np.object_ else column


def is_long(record: Served) -> bool:
    """Whether the record's columns are arrays of several rows, which are put end to end as they are."""
    return record.rows > 1 and isinstance(next(iter(record.columns.values()), None), np.ndarray)


def _blocks(records: Sequence[Served], names: tuple[str, ...]) -> dict[str, Values]:
    """Columns of records that are blocks of these names: row after row, as they stand."""
    runs = [record.columns.flat for record in records if isinstance(record.columns, Block)]
    try:
        flat = _run_together(runs, np.float64)
    except (TypeError, ValueError, OverflowError):
        flat = _numeric(_run_together(runs, np.object_))
    columns = flat.reshape(-1, len(names)).T
    return dict(zip(names, columns if flat.dtype != np.object_ else columns.tolist(), strict=True))


def _run_together(runs: Sequence[Values], dtype: Any) -> NDArray[Any]:
    starts = range(0, len(runs), CHUNK)
    return np.concatenate([np.fromiter(chain.from_iterable(runs[one : one + CHUNK]), dtype) for one in starts])


def _flat(records: Sequence[Served], names: Sequence[str], dtype: Any) -> NDArray[Any]:
    """Raises `TypeError`, `ValueError` or `OverflowError` where a value is no number, and numbers are wanted."""
    if not names:
        return np.empty(0, dtype=dtype)
    missing = np.nan if dtype is np.float64 else None
    pick = _picker(names)
    parts = []
    for start in range(0, len(records), CHUNK):
        some = records[start : start + CHUNK]
        try:
            columns = [pick(one.columns) for one in some]
        except KeyError:
            columns = [[one.columns.get(name) or [missing] * one.rows for name in names] for one in some]
        parts.append(np.fromiter(chain.from_iterable(chain.from_iterable(columns)), dtype))
    return np.concatenate(parts)


def _picker(names: Sequence[str]) -> Callable[[Mapping[str, Values]], Sequence[Values]]:
    if len(names) == 1:
        return lambda columns: [columns[names[0]]]
    return itemgetter(*names)


def _numeric(flat: NDArray[np.object_]) -> NDArray[Any]:
    """None becomes NaN, text its number; as they came, where one of them is neither."""
    try:
        return flat.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        return flat
