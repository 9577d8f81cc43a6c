"""Counts since the worker started, and how they read as Prometheus text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from loopwright.serving.batch import Batch
from loopwright.serving.endpoints import LiveVariant
from loopwright.serving.recorder import Failed, Lost

EDGES_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper edges of the latency histogram that Prometheus sees."""

Labels = tuple[str, str, int]


@dataclass(slots=True)
class Tally:
    """One variant's counts."""

    requests: int = 0
    rows: int = 0
    dropped: int = 0
    seconds: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)
    buckets: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(EDGES_SECONDS) + 1, dtype=np.int64))


class Totals:
    """Counts by endpoint, variant and version. Only the writing thread adds."""

    def __init__(self) -> None:
        self.tallies: dict[Labels, Tally] = {}
        self.dropped = 0

    def serve(self, batch: Batch) -> None:
        """Count answered requests."""
        tally = self._tally(batch.live)
        seconds = batch.latencies / 1000
        tally.requests += len(batch.records)
        tally.rows += batch.rows
        tally.seconds += float(seconds.sum())
        places = np.searchsorted(EDGES_SECONDS, seconds, side="left")
        tally.buckets += np.bincount(places, minlength=len(tally.buckets))

    def add(self, failed: Sequence[Failed], lost: dict[LiveVariant, Lost]) -> None:
        """Count requests that were not answered, and those of which nothing but the number is known."""
        for failure in failed:
            errors = self._tally(failure.live).errors
            errors[failure.kind] = errors.get(failure.kind, 0) + 1
        for live, count in lost.items():
            self._tally(live).requests += count.requests
            self._tally(live).rows += count.rows
            self.drop(live, count.rows)

    def drop(self, live: LiveVariant, rows: int) -> None:
        self._tally(live).dropped += rows
        self.dropped += rows

    def prometheus(self, server: str, gauges: dict[str, float]) -> str:
        """The text format, version 0.0.4."""
        lines = [
            f'# TYPE loopwright_{name} gauge\nloopwright_{name}{{server="{server}"}} {value:g}'
            for name, value in gauges.items()
        ]
        tallies = [(_labels(server, labels), tally) for labels, tally in sorted(self.tallies.items())]
        lines += _counter("requests_total", ((labels, tally.requests) for labels, tally in tallies))
        lines += _counter("rows_total", ((labels, tally.rows) for labels, tally in tallies))
        lines += _counter("capture_dropped_total", ((labels, tally.dropped) for labels, tally in tallies))
        lines += _counter(
            "errors_total",
            ((f'{labels},kind="{kind}"', count) for labels, tally in tallies for kind, count in tally.errors.items()),
        )
        lines.append("# TYPE loopwright_latency_seconds histogram")
        for labels, tally in tallies:
            lines += _histogram(labels, tally)
        return "\n".join(lines) + "\n"

    def _tally(self, live: LiveVariant) -> Tally:
        labels = (live.revision.endpoint, live.variant.name, live.variant.version)
        tally = self.tallies.get(labels)
        if tally is None:
            tally = Tally()
            self.tallies = {**self.tallies, labels: tally}
        return tally


def _labels(server: str, labels: Labels) -> str:
    endpoint, variant, version = labels
    return f'server="{server}",endpoint="{endpoint}",variant="{variant}",version="{version}"'


def _counter(name: str, samples: Iterable[tuple[str, int]]) -> list[str]:
    return [
        f"# TYPE loopwright_{name} counter",
        *(f"loopwright_{name}{{{labels}}} {value}" for labels, value in samples),
    ]


def _histogram(labels: str, tally: Tally) -> list[str]:
    upper = [*(f"{edge:g}" for edge in EDGES_SECONDS), "+Inf"]
    rising = accumulate(tally.buckets.tolist())
    name = "loopwright_latency_seconds"
    return [
        *(f'{name}_bucket{{{labels},le="{edge}"}} {total}' for edge, total in zip(upper, rising, strict=True)),
        f"{name}_sum{{{labels}}} {tally.seconds:.6f}",
        f"{name}_count{{{labels}}} {sum(tally.buckets)}",
    ]
