"""Totals and gauges as Prometheus reads them: the text format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from loopwright.serving.totals import EDGES_ROWS, EDGES_SECONDS, Labels, Tally

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

GAUGES = {
    "workers": "Processes that answer.",
    "requests_in_flight": "Requests that are being answered.",
    "predictions_waiting": "Requests that wait for a model's thread.",
    "shadow_waiting_rows": "Rows that wait to be predicted by shadow variants.",
    "shadows_hung": "Models of shadow variants that have not come back, and get no copies until they do.",
    "capture_waiting_rows": "Answered rows that wait in memory to be written.",
    "capture_lag_seconds": "Age of the oldest answered row that is not in the object store yet.",
    "spool_bytes": "Bytes on local disk that wait for the object store.",
}
"""The figures of a moment, and what each says."""


def prometheus(server: str, tallies: Mapping[Labels, Tally], gauges: Mapping[str, float]) -> str:
    """All figures of a server."""
    by_labels = [(_labels(server, labels), tally) for labels, tally in sorted(tallies.items())]
    lines: list[str] = []
    for name, value in gauges.items():
        lines += _family(name, "gauge", GAUGES[name], [(f'server="{_escaped(server)}"', value)])
    for name, text, attribute in _COUNTERS:
        lines += _family(name, "counter", text, ((labels, getattr(tally, attribute)) for labels, tally in by_labels))
    errors = (
        (f'{labels},kind="{_escaped(kind)}"', count)
        for labels, tally in by_labels
        for kind, count in sorted(tally.errors.items())
    )
    lines += _family("errors_total", "counter", "Requests that were not answered, by kind.", errors)
    lines += _head("latency_seconds", "histogram", "From a request's first line to its answer; of a shadow, its own.")
    for labels, tally in by_labels:
        lines += _histogram("latency_seconds", labels, EDGES_SECONDS, tally.latency, tally.seconds)
    lines += _head("batch_rows", "histogram", "Rows predicted together in a model's thread.")
    for labels, tally in by_labels:
        lines += _histogram("batch_rows", labels, EDGES_ROWS, tally.batches, tally.batched_rows)
    return "\n".join(lines) + "\n"


_COUNTERS = (
    ("requests_total", "Answered requests.", "requests"),
    ("rows_total", "Rows of answered requests.", "rows"),
    ("capture_dropped_total", "Answered rows whose capture is lost.", "dropped"),
    ("summaries_lost_total", "Summaries of windows that could not be kept.", "summaries_lost"),
)


def _family(name: str, kind: str, text: str, samples: Iterable[tuple[str, float]]) -> list[str]:
    return [*_head(name, kind, text), *(f"loopwright_{name}{{{labels}}} {value}" for labels, value in samples)]


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP loopwright_{name} {text}", f"# TYPE loopwright_{name} {kind}"]


def _histogram(name: str, labels: str, edges: Sequence[float], counts: Sequence[int], total: float) -> list[str]:
    upper = [*(f"{edge:g}" for edge in edges), "+Inf"]
    return [
        *(
            f'loopwright_{name}_bucket{{{labels},le="{edge}"}} {so_far}'
            for edge, so_far in zip(upper, accumulate(counts), strict=True)
        ),
        f"loopwright_{name}_sum{{{labels}}} {total}",
        f"loopwright_{name}_count{{{labels}}} {sum(counts)}",
    ]


def _labels(server: str, labels: Labels) -> str:
    endpoint, variant, version = map(_escaped, map(str, labels))
    return f'server="{_escaped(server)}",endpoint="{endpoint}",variant="{variant}",version="{version}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
