"""The buffer between answering and writing is bounded, and says what it lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from loopwright.serving.batch import Batch
from loopwright.serving.recorder import FEW_ROWS, GATHERED, Recorder
from loopwright.serving.served import Failed


def test_what_is_added_is_taken_once_in_order(served: Callable[..., Any]) -> None:
    recorder = Recorder(10)
    first, second = served({"x": [1]}, [1.0], id="a"), served({"x": [1]}, [1.0], id="b")
    failure = Failed(first.live, first.at, "model")
    recorder.served(first)
    recorder.failed(failure)
    recorder.served(second)
    assert recorder.waiting == 2
    batches, failed, lost = recorder.take()
    assert (ids(batches), lost) == (["a", "b"], {})
    assert [(one.kind, count) for one, count in failed.items()] == [("model", 1)]
    assert (recorder.waiting, recorder.take()) == (0, ([], {}, {}))


def test_what_does_not_fit_is_counted(served: Callable[..., Any]) -> None:
    recorder = Recorder(3)
    small, big = served({"x": [1]}, [1.0], id="small"), served({"x": [1, 2]}, [1.0, 2.0], id="big")
    for record in (big, big, small, small):
        recorder.served(record)
    kept, _, lost = recorder.take()
    assert ids(kept) == ["big", "small"]
    assert [(one.requests, one.rows) for one in lost.values()] == [(2, 3)]
    recorder.served(big)
    assert ids(recorder.take()[0]) == ["big"]


def test_failures_are_counted_in_bounded_memory(served: Callable[..., Any]) -> None:
    recorder, record = Recorder(3), served({"x": [1]}, [1.0])
    for number in range(1000):
        recorder.failed(Failed(record.live, record.at.replace(microsecond=number), "request"))
    ((failure, count),) = recorder.take()[1].items()
    assert (failure.kind, failure.at, count) == ("request", record.at.replace(microsecond=0), 1000)


def test_the_oldest_record_tells_the_lag(served: Callable[..., Any]) -> None:
    recorder = Recorder(3)
    assert recorder.oldest is None
    recorder.served(record := served({"x": [1]}, [1.0]))
    assert recorder.oldest == record.at


def test_many_records_are_put_together_as_they_come_and_none_is_lost(served: Callable[..., Any]) -> None:
    recorder = Recorder(10_000)
    expected = [f"p{number}" for number in range(3 * GATHERED + 5)]
    for name in expected:
        recorder.served(served({"x": [1]}, [1.0], id=name))
    assert recorder.oldest is not None
    assert recorder.waiting == len(expected)
    batches = recorder.take()[0]
    assert [batch.requests for batch in batches] == [GATHERED] * 3 + [5]
    assert ids(batches) == expected
    assert (recorder.waiting, recorder.oldest) == (0, None)


@pytest.mark.parametrize("records", [1, GATHERED])
def test_records_that_cannot_be_put_together_are_lost_and_counted(served: Any, records: int) -> None:
    recorder = Recorder(10_000)
    for _ in range(records):
        record = served({"x": [1]}, [1.0])
        record.outputs = {"prediction": None}
        recorder.served(record)
    batches, _, lost = recorder.take()
    assert (batches, recorder.waiting) == ([], 0)
    assert [(one.requests, one.rows) for one in lost.values()] == [(records, records)]


def ids(batches: list[Batch]) -> list[str]:
    return [one for batch in batches for one in batch.ids]


def test_large_bodies_weigh_more_than_their_rows(served: Callable[..., Any]) -> None:
    recorder = Recorder(100)
    for _ in range(3):
        recorder.served(replace(served({"x": [1]}, [1.0]), weight=40))
    assert recorder.waiting == 80
    batches, _, lost = recorder.take()
    assert (sum(one.requests for one in batches), recorder.waiting) == (2, 0)
    assert [one.requests for one in lost.values()] == [1]


def test_many_rows_are_put_together_in_the_background(served: Callable[..., Any]) -> None:
    recorder = Recorder(10**6)
    rows = FEW_ROWS // GATHERED + 1
    for _ in range(2 * GATHERED):
        recorder.served(served({"x": [1] * rows}, [1.0] * rows))
    assert sum(one.rows for one in recorder.take()[0]) == 2 * GATHERED * rows
