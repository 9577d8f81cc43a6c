"""Windowed summaries: every served request counted, whether or not it is captured."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import compress
from operator import not_

import numpy as np
from numpy.typing import NDArray

from loopwright.bundle.bins import count_categories, count_numbers, width
from loopwright.bundle.records import ReferenceColumn
from loopwright.serving.batch import Batch
from loopwright.serving.endpoints import LiveVariant
from loopwright.serving.models import LoadedModel
from loopwright.serving.router import slot
from loopwright.serving.served import Failed
from loopwright.serving.tabular import Values, text_of
from loopwright.serving.typed import as_numbers, as_texts
from loopwright.traffic.predictions import INPUT, OUTPUT
from loopwright.traffic.summary import BESIDE, LATENCY_EDGES_MS, ColumnCounts, WindowSummary, slot_counts

WindowKey = tuple[LiveVariant, int]


class Windows:
    """Windows of `seconds`, by variant, aligned to the epoch so that all servers cut time at the same moments."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._open: dict[WindowKey, _Window] = {}

    def place(self, at: datetime) -> int:
        """The number of the window that `at` lies in."""
        return math.floor(at.timestamp() / self._seconds)

    def serve(self, batch: Batch, place: int, rest: Callable[[], None] = lambda: None) -> None:
        """Count answered requests of one window, however late they come. After each column there may be a `rest`."""
        self._window((batch.live, place)).serve(batch, rest)

    def fail(self, failure: Failed, requests: int = 1) -> None:
        """Count requests that were not answered."""
        window = self._window((failure.live, self.place(failure.at)))
        window.errors[failure.kind] = window.errors.get(failure.kind, 0) + requests
        window.named += requests if failure.named else 0
        if failure.slot is not None:
            window.count_slot(failure.slot, requests=requests, failed=requests)

    def drop(self, live: LiveVariant, at: datetime, rows: int, *, requests: int = 0, named: int = 0) -> None:
        """Count rows whose capture is lost, and requests of which nothing else is known but how many were `named`."""
        window = self._window((live, self.place(at)))
        window.dropped += rows
        window.requests += requests
        window.rows += rows if requests else 0
        window.named += named

    def closed(self, now: datetime | None) -> list[WindowSummary]:
        """The windows that ended before `now` (all, where None), taken out. What comes for one later opens it again."""
        last = math.inf if now is None else self.place(now)
        done = [key for key in self._open if key[1] < last]
        return [self._open.pop(key).summary(key[0], self._start(key[1]), self._seconds) for key in done]

    def _window(self, key: WindowKey) -> _Window:
        window = self._open.get(key)
        if window is None:
            window = self._open[key] = _Window({**_countable(key[0]), **_comparable(key[0])})
        return window

    def _start(self, place: int) -> datetime:
        return datetime.fromtimestamp(place * self._seconds, UTC)


@dataclass(slots=True)
class _Counts:
    column: ReferenceColumn
    bins: NDArray[np.int64]
    missing: int = 0
    unseen: int = 0

    def add(self, values: Values) -> None:
        if self.column.kind == "number":
            counts = count_numbers(self.column.edges, as_numbers(values))
        else:
            counts = count_categories(self.column.values, as_texts(values))
        self.bins += counts
        if (elsewhere := len(values) - int(counts.sum())) > 0:
            missing = _missing(values)
            self.missing += missing
            self.unseen += elsewhere - missing


@dataclass(slots=True)
class _Window:
    reference: Mapping[str, ReferenceColumn]
    requests: int = 0
    rows: int = 0
    dropped: int = 0
    named: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    latency: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(LATENCY_EDGES_MS) + 1, dtype=np.int64))
    columns: dict[str, _Counts] = field(init=False)
    slots: dict[int, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.columns = {
            name: _Counts(one, np.zeros(width(one), dtype=np.int64)) for name, one in self.reference.items()
        }

    def serve(self, batch: Batch, rest: Callable[[], None]) -> None:
        self.requests += batch.requests
        self.rows += batch.rows
        self.named += sum(batch.named)
        places = np.searchsorted(LATENCY_EDGES_MS, batch.latencies, side="left")
        self.latency += np.bincount(places, minlength=len(self.latency))
        for counts in self.columns.values():
            counts.add(_values(batch, counts.column.name))
            rest()
        if batch.units:
            limit = batch.live.variant.slow_ms or math.inf
            slow = (batch.latencies > limit).tolist()
            asked = zip(batch.units, batch.ids, slow, strict=True)
            for unit, request, late in compress(asked, map(not_, batch.named)) if batch.named else asked:
                self.count_slot(slot(batch.live.revision.endpoint, text_of(unit) or request), slow=late)

    def count_slot(self, place: int, *, requests: int = 1, failed: int = 0, slow: int = 0) -> None:
        counts = self.slots.get(place)
        if counts is None:
            counts = self.slots[place] = [0, 0, 0]
        counts[0] += requests
        counts[1] += failed
        counts[2] += slow

    def summary(self, live: LiveVariant, start: datetime, seconds: float) -> WindowSummary:
        return WindowSummary(
            endpoint=live.revision.endpoint,
            revision=live.revision.number,
            variant=live.variant.name,
            version=live.variant.version,
            start=start,
            seconds=seconds,
            requests=self.requests,
            rows=self.rows,
            errors=self.errors,
            latency=tuple(self.latency.tolist()),
            columns={name: _frozen(counts) for name, counts in self.columns.items()},
            dropped=self.dropped,
            named=self.named,
            shadow=live.variant.shadow,
            by_slot=slot_counts(self.slots) if self.slots else None,
        )


def _countable(live: LiveVariant) -> dict[str, ReferenceColumn]:
    """The reference's columns that are one value a row in requests and answers."""
    signature, reference = live.model.manifest.signature, live.model.reference
    found = {INPUT + one.name for one in signature.inputs} | _outputs(live.model)
    return {column.name: column for column in reference.columns if column.name in found} if reference else {}


def _comparable(live: LiveVariant) -> dict[str, ReferenceColumn]:
    """The outputs once more on the bins of the first variant's: counts on different bins cannot be compared."""
    if live.beside is None or live.beside.reference is None:
        return {}
    found = _outputs(live.model) & _outputs(live.beside)
    return {BESIDE + column.name: column for column in live.beside.reference.columns if column.name in found}


def _outputs(model: LoadedModel) -> set[str]:
    return {OUTPUT + one.name for one in model.manifest.signature.outputs if not one.width}


def _values(batch: Batch, name: str) -> Values:
    """What a reference column (`input.<column>` or `output.<name>`) is compared with."""
    if name.startswith(INPUT):
        return batch.columns[name[len(INPUT) :]]
    return batch.outputs[name[len(OUTPUT) :]]


def _missing(values: Values) -> int:
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return int(np.isnan(values).sum())
    return sum(value is None or value != value for value in values)  # NaN is not itself


def _frozen(counts: _Counts) -> ColumnCounts:
    return ColumnCounts(bins=tuple(counts.bins.tolist()), missing=counts.missing, unseen=counts.unseen)
