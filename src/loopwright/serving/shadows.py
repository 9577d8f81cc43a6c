"""Shadow variants: copies of answered requests, predicted aside, where neither the answer nor its latency can tell."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace

from loopwright.core.clock import Clock
from loopwright.errors import LoopwrightError
from loopwright.serving.endpoints import LiveVariant
from loopwright.serving.recorder import Recorder
from loopwright.serving.router import place
from loopwright.serving.served import Failed, Served


class Shadows:
    """A queue of `limit` rows between the answers and the thread that works through their copies.

    A copy that finds the queue full, or a model that refuses it, is an error of the shadow: `overload`, or `model`.
    """

    def __init__(self, limit: int, clock: Clock) -> None:
        self.recorder = Recorder(limit)
        self._limit = limit
        self._clock = clock
        self._queue: deque[Served] = deque()
        self._added = self._taken = 0  # each is changed by one thread alone: the one that copies, the one that works
        self._ended = False

    def copy(self, record: Served) -> None:
        """Remember an answered request for its shadows. Belongs to the thread that answers."""
        if self.waiting + record.weight > self._limit:
            for shadow in _chosen(record):
                self.recorder.failed(Failed(shadow, record.at, "overload"))
            return
        self._added += record.weight
        self._queue.append(record)

    @property
    def waiting(self) -> int:
        """Rows in the queue."""
        return self._added - self._taken

    def work(self) -> None:
        """Predict what waits, or count it where there is no time left for it. Belongs to the background."""
        for _ in range(len(self._queue)):
            record = self._queue.popleft()
            for shadow in _chosen(record):
                if self._ended:
                    self.recorder.failed(Failed(shadow, record.at, "overload"))
                else:
                    began = time.perf_counter()
                    self._predict(shadow, record)
                    # As long a rest as it worked: whoever answers has the turn. (A lower priority would not do: held
                    # up by others while it holds the interpreter's lock, it would hold up the answers.)
                    time.sleep(time.perf_counter() - began)
            self._taken += record.weight

    def end(self) -> None:
        """No more predictions: the server stops."""
        self._ended = True

    def _predict(self, shadow: LiveVariant, record: Served) -> None:
        began = time.perf_counter()
        try:
            outputs = shadow.model.predict_aside(record.columns)
        except LoopwrightError:
            self.recorder.failed(Failed(shadow, self._clock.now(), "model"))
            return
        latency = 1000 * (time.perf_counter() - began)
        self.recorder.served(replace(record, live=shadow, latency_ms=latency, outputs=outputs))


def _chosen(record: Served) -> list[LiveVariant]:
    """The shadows that get this one: by its prediction id, so that a share is a fair one."""
    return [
        shadow
        for shadow in record.live.shadows
        if shadow.variant.weight >= 100 or place("shadow", record.prediction_id) < shadow.variant.weight
    ]
