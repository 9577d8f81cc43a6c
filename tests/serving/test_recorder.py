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
    assert recorder.take() == ([first, second], [failure], {})
    assert (recorder.waiting, recorder.take()) == (0, ([], [], {}))


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


def test_failures_are_bounded_too(served: Callable[..., Any]) -> None:
    recorder, record = Recorder(3), served({"x": [1]}, [1.0])
    for _ in range(100):
        recorder.failed(Failed(record.live, record.at, "request"))
    assert len(recorder.take()[1]) <= 4
