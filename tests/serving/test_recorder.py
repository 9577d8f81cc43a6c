"""The buffer between answering and writing is bounded, and says what it lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loopwright.serving.recorder import Failed, Recorder


def test_what_is_added_is_taken_once_in_order(served: Callable[..., Any]) -> None:
    recorder = Recorder(10)
    first, second = served({"x": [1]}, [1.0], id="a"), served({"x": [1]}, [1.0], id="b")
    failure = Failed(first.live, first.at, "model")
    recorder.served(first)
    recorder.failed(failure)
    recorder.served(second)
    assert recorder.waiting == 2
    served_ones, failed, lost = recorder.take()
    assert (served_ones, lost) == ([first, second], {})
    assert [(one.kind, count) for one, count in failed.items()] == [("model", 1)]
    assert (recorder.waiting, recorder.take()) == (0, ([], {}, {}))


def test_what_does_not_fit_is_counted(served: Callable[..., Any]) -> None:
    recorder = Recorder(3)
    small, big = served({"x": [1]}, [1.0]), served({"x": [1, 2]}, [1.0, 2.0])
    for record in (big, big, small, small):
        recorder.served(record)
    kept, _, lost = recorder.take()
    assert kept == [big, small]
    assert [(one.requests, one.rows) for one in lost.values()] == [(2, 3)]
    recorder.served(big)
    assert recorder.take()[0] == [big]


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
