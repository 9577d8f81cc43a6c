"""Counts since the worker started, by endpoint, variant and version; and how those of several workers add up."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

import numpy as np

from loopwright.serving.batch import Batch
from loopwright.serving.endpoints import LiveVariant
from loopwright.serving.served import Failed, Lost

EDGES_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper edges of the latency histogram that Prometheus sees."""

EDGES_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)
"""Upper edges of the histogram of rows that were predicted together."""

Labels = tuple[str, str, int]
"""Endpoint, variant, version."""


@dataclass(slots=True)
class Tally:
    """One variant's counts. `dropped` are rows whose capture is lost, `summaries_lost` windows that are."""

    requests: int = 0
    rows: int = 0
    dropped: int = 0
    summaries_lost: int = 0
    seconds: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)
    latency: list[int] = field(default_factory=lambda: [0] * (len(EDGES_SECONDS) + 1))
    batched_rows: int = 0
    batches: list[int] = field(default_factory=lambda: [0] * (len(EDGES_ROWS) + 1))


class Totals:
    """The counts of one worker. Only the writing thread adds, but for `batch`, which is the event loop's."""

    def __init__(self) -> None:
        self.tallies: dict[Labels, Tally] = {}
        self.dropped = 0

    def serve(self, batch: Batch) -> None:
        """Count answered requests."""
        tally = self._tally(batch.live)
        seconds = batch.latencies / 1000
        places = np.searchsorted(EDGES_SECONDS, seconds, side="left")
        counts = np.bincount(places, minlength=len(tally.latency)).tolist()
        tally.requests += batch.requests
        tally.rows += batch.rows
        tally.seconds += float(seconds.sum())
        tally.latency = [a + b for a, b in zip(tally.latency, counts, strict=True)]

    def fail(self, failed: Mapping[Failed, int]) -> None:
        """Count requests that were not answered."""
        for failure, requests in failed.items():
            errors = self._tally(failure.live).errors
            errors[failure.kind] = errors.get(failure.kind, 0) + requests

    def lose(self, live: LiveVariant, lost: Lost) -> None:
        """Count requests of which nothing but the number is known."""
        tally = self._tally(live)
        tally.requests += lost.requests
        tally.rows += lost.rows
        self.drop(live, lost.rows)

    def drop(self, live: LiveVariant, rows: int) -> None:
        """Count rows that were answered, and whose capture is lost."""
        self._tally(live).dropped += rows
        self.dropped += rows

    def lose_summary(self, labels: Labels) -> None:
        """Count a window's summary that could not be kept."""
        self.tallies.setdefault(labels, Tally()).summaries_lost += 1

    def batch(self, live: LiveVariant, rows: int) -> None:
        """Count rows that were predicted together."""
        tally = self._tally(live)
        tally.batched_rows += rows
        tally.batches[bisect_left(EDGES_ROWS, rows)] += 1

    def _tally(self, live: LiveVariant) -> Tally:
        labels = (live.revision.endpoint, live.variant.name, live.variant.version)
        return self.tallies.setdefault(labels, Tally())


def added(several: Iterable[Mapping[Labels, Tally]]) -> dict[Labels, Tally]:
    """The sum of several workers' counts."""
    total: dict[Labels, Tally] = {}
    for tallies in several:
        for labels, tally in tuple(tallies.items()):  # another thread may add one meanwhile
            _add(total.setdefault(labels, Tally()), tally)
    return total


def _add(total: Tally, tally: Tally) -> None:
    for one in fields(Tally):
        ours, theirs = getattr(total, one.name), getattr(tally, one.name)
        if isinstance(ours, list):
            setattr(total, one.name, [a + b for a, b in zip(ours, theirs, strict=True)])
        elif isinstance(ours, dict):
            for kind, count in tuple(theirs.items()):
                ours[kind] = ours.get(kind, 0) + count
        else:
            setattr(total, one.name, ours + theirs)
