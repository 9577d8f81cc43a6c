"""Windows count every request once, on the reference's bins, whenever it comes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from loopwright.serving.batch import gather, join
from loopwright.serving.served import Failed
from loopwright.serving.summaries import Windows
from loopwright.traffic.summary import LATENCY_EDGES_MS, ColumnCounts, merge

START = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def add(windows: Windows, *records: Any) -> None:
    for record in records:
        windows.serve(join(gather([record])), windows.place(record.at))


def test_values_are_counted_on_the_references_bins(served: Callable[..., Any]) -> None:
    windows = Windows(60)
    columns = {"x": [-1, 0, 0.5, 1, None, "x"], "n": [0] * 6, "shop": ["a", "b", "b", "new", None, 7]}
    add(windows, served(columns, [-1.0, 0.0, 1.0, 2.0, np.nan, 3.0], at=START))
    (summary,) = windows.closed(START + timedelta(seconds=60))
    assert (summary.start, summary.seconds, summary.requests, summary.rows) == (START, 60, 1, 6)
    assert summary.columns == {
        "input.x": ColumnCounts(bins=(1, 2, 1), missing=1, unseen=1),
        "input.shop": ColumnCounts(bins=(1, 2, 2), missing=1),
        "output.prediction": ColumnCounts(bins=(1, 4), missing=1),
    }


def test_latencies_fall_at_or_below_their_buckets_edge(served: Callable[..., Any]) -> None:
    windows = Windows(60)
    taken = [0.01, LATENCY_EDGES_MS[0], LATENCY_EDGES_MS[3] + 1e-9, 1e9]
    add(windows, *(served({"x": [1]}, [1.0], at=START, latency_ms=one) for one in taken))
    (summary,) = windows.closed(None)
    assert {place: count for place, count in enumerate(summary.latency) if count} == {0: 2, 4: 1, 80: 1}
    assert len(summary.latency) == len(LATENCY_EDGES_MS) + 1


def test_a_window_closes_when_its_time_is_over_and_opens_again_for_what_comes_late(served: Callable[..., Any]) -> None:
    windows = Windows(1)
    early, late = served({"x": [1]}, [1.0], at=START), served({"x": [1]}, [1.0], at=START + timedelta(seconds=1.5))
    add(windows, early, late)
    assert windows.closed(START) == []
    first = windows.closed(START + timedelta(seconds=1.2))
    assert [one.start for one in first] == [START]
    add(windows, early)
    rest = windows.closed(None)
    assert sorted(one.start for one in rest) == [START, START + timedelta(seconds=1)]
    total = merge([*first, *rest])
    assert total is not None
    assert (total.requests, sum(total.latency), sum(total.columns["input.x"].bins)) == (3, 3, 3)


def test_errors_and_losses_are_counted(served: Callable[..., Any]) -> None:
    windows, record = Windows(60), served({"x": [1]}, [1.0], at=START)
    for kind in ("request", "model", "request"):
        windows.fail(Failed(record.live, START, kind))
    windows.drop(record.live, START, 5, requests=2)
    windows.drop(record.live, START, 3)
    (summary,) = windows.closed(None)
    assert summary.errors == {"request": 2, "model": 1}
    assert (summary.requests, summary.rows, summary.dropped) == (2, 5, 8)


def test_a_bundle_without_reference_is_counted_all_the_same(project: Any, bring_up: Any, served: Any) -> None:
    live = bring_up(project.bundle(task="binary", classes=("no", "yes"))).variants[0]
    windows = Windows(60)
    add(windows, served({"x": [1]}, [1.0], live=live))
    (summary,) = windows.closed(None)
    assert (summary.requests, summary.columns) == (1, {})
