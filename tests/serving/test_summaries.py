"""Windows count every request once, on the reference's bins, whenever it comes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from loopwright.bundle.records import Reference, ReferenceColumn
from loopwright.serving.batch import gather, join
from loopwright.serving.router import slot
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


def shared(bring_up: Callable[..., Any], project: Any, **fields: Any) -> Any:
    challenger = replace(project.bundle(version=2), name="challenger", weight=30, slow_ms=100.0)
    return bring_up(replace(project.bundle(), weight=70, slow_ms=50.0), challenger, **fields)


def test_a_challengers_answers_are_counted_on_the_champions_bins_too(
    project: Any, bring_up: Callable[..., Any], served: Any
) -> None:
    number = ReferenceColumn(name="output.prediction", kind="number", edges=(0.0, 10.0, 20.0), counts=(1, 1, 1, 1))
    other = project.bundle(version=2, reference=Reference(rows=4, columns=(number,)))
    challenger = replace(other, name="challenger", weight=30)
    for live, beside in zip(
        bring_up(replace(project.bundle(), weight=70), challenger).variants, (False, True), strict=True
    ):
        windows = Windows(60)
        add(windows, replace(served({"x": [1, 1, 1]}, [-1.0, 5.0, 25.0]), live=live))
        (summary,) = windows.closed(None)
        assert ("beside.output.prediction" in summary.columns) is beside
        if beside:
            assert summary.columns["output.prediction"] == ColumnCounts(bins=(1, 1, 0, 1))
            assert summary.columns["beside.output.prediction"] == ColumnCounts(bins=(1, 2))


def test_what_comes_of_a_key_is_counted_in_its_slot(project: Any, bring_up: Callable[..., Any], served: Any) -> None:
    endpoint = shared(bring_up, project, sticky_by="shop")
    live = endpoint.named("champion")
    windows = Windows(60)
    asked = [({"x": [1], "shop": ["a"]}, 10.0), ({"x": [1], "shop": ["a"]}, 90.0), ({"x": [1], "shop": ["b"]}, 10.0)]
    add(windows, *(served(row, [1.0], live=live, at=START, latency_ms=ms) for row, ms in asked))
    windows.fail(Failed(live, START, "model", slot("demand", "a")), 4)
    (summary,) = windows.closed(None)
    found = summary.by_slot
    assert found is not None
    by_slot = dict(zip(found.slots, zip(found.requests, found.failed, found.slow, strict=True), strict=True))
    assert by_slot == {slot("demand", "a"): (6, 4, 1), slot("demand", "b"): (1, 0, 0)}
    twice = merge([summary, summary])
    assert twice is not None
    assert twice.by_slot is not None
    assert sum(twice.by_slot.requests) == 14


def test_each_variant_has_its_own_limit_of_slow(project: Any, bring_up: Callable[..., Any], served: Any) -> None:
    """The challenger may be slower by a ratio: what is counted of both is as often slow where it is so by just that."""
    endpoint = shared(bring_up, project, sticky_by="shop")
    slow = []
    for name in ("champion", "challenger"):
        windows = Windows(60)
        row = served({"x": [1], "shop": ["a"]}, [1.0], at=START, latency_ms=90.0)
        add(windows, replace(row, live=endpoint.named(name)))
        slow.append(windows.closed(None)[0].by_slot.slow)
    assert slow == [(1,), (0,)]


def test_a_slot_is_answered_by_one_variant(project: Any, bring_up: Callable[..., Any]) -> None:
    endpoint = shared(bring_up, project)
    for number in range(500):
        assert (slot("demand", str(number)) >= 700) == (endpoint.route(str(number)).variant.name == "challenger")


def test_requests_that_name_their_variant_are_told_apart_and_lie_in_no_slot(
    project: Any, bring_up: Callable[..., Any], served: Any
) -> None:
    live = shared(bring_up, project, sticky_by="shop").named("challenger")
    windows = Windows(60)
    drawn = served({"x": [1], "shop": ["a"]}, [1.0], live=live, at=START)
    add(windows, drawn)
    windows.serve(join(gather([drawn]) + gather([replace(drawn, named=True), drawn])), windows.place(START))
    windows.fail(Failed(live, START, "model", named=True), 4)
    windows.drop(live, START, 3, requests=3, named=2)
    (summary,) = windows.closed(None)
    assert (summary.requests, summary.errors, summary.named) == (7, {"model": 4}, 7)
    assert summary.by_slot is not None
    assert summary.by_slot.requests == (3,)
    assert merge([summary, summary]).named == 14


def test_without_keys_or_a_rollout_no_slots_are_counted(project: Any, bring_up: Any, served: Any) -> None:
    alone = bring_up(project.bundle(), sticky_by="shop").variants[0]
    unkeyed = shared(bring_up, project).variants[0]
    windows = Windows(60)
    record = served({"x": [1], "shop": ["a"]}, [1.0])
    add(windows, *(replace(record, live=live) for live in (alone, unkeyed)))
    assert [one.by_slot for one in windows.closed(None)] == [None, None]
