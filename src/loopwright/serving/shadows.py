"""Shadow variants: copies of answered requests, predicted aside, where neither the answer nor its latency can tell."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from dataclasses import replace
from threading import Event, Lock

from loopwright.core.clock import Clock
from loopwright.errors import LoopwrightError
from loopwright.serving.endpoints import LiveVariant
from loopwright.serving.recorder import Recorder
from loopwright.serving.router import place
from loopwright.serving.served import Failed, Served

log = logging.getLogger("loopwright.serving")


class Shadows:
    """A queue of `limit` rows between the answers and the thread that works through their copies.

    A copy that finds the queue full, or a model that refuses it, is an error of the shadow: `overload`, or `model`. So
    is each copy for a model that has not come back for `patience` seconds, until it does.
    """

    def __init__(self, limit: int, clock: Clock, patience: float = 60.0) -> None:
        self.recorder = Recorder(limit)
        self._limit = limit
        self._clock = clock
        self._patience = patience
        self._queue: deque[Served] = deque()
        self._added = self._taken = 0  # the one is changed by the thread that copies alone, the other under the lock
        self._turn: _Turn | None = None
        self._lock = Lock()
        self._hung: set[str] = set()
        self._full = self._ended = False
        self.due = Event()
        """Set while there may be something to do."""

    def copy(self, record: Served) -> None:
        """Remember an answered request for its shadows. Belongs to the thread that answers."""
        if self.waiting + record.weight > self._limit:
            for shadow in _chosen(record):
                self.recorder.failed(Failed(shadow, record.at, "overload"))
            self._say_full(record)
            return
        self._added += record.weight
        self._queue.append(record)
        if not self.due.is_set():
            self.due.set()

    @property
    def waiting(self) -> int:
        """Rows in the queue."""
        return self._added - self._taken

    @property
    def hung(self) -> int:
        """Models that have not come back."""
        return len(self._hung)

    def work(self) -> bool:
        """Predict what waits, or count it where there is no time left for it. Belongs to one thread of the background:
        False tells it that it was given up meanwhile, and another has its place.
        """
        for _ in range(len(self._queue)):
            turn = self._turn = _Turn(self._queue.popleft())
            while turn.shadows:
                began = turn.began = time.perf_counter()
                if not self._tell(turn, self._outcome(turn.shadows[0], turn.record)):
                    return False
                # As long a rest as it worked: whoever answers has the turn. (A lower priority would not do: held
                # up by others while it holds the interpreter's lock, it would hold up the answers.)
                time.sleep(time.perf_counter() - began)
            if not self._over(turn):
                return False
        self._full = self._full and bool(self._queue)
        return True

    def give_up_hung(self) -> bool:
        """Whether the thread that works is lost to a model that does not come back; what it was at is counted."""
        with self._lock:
            turn = self._turn
            hangs = turn is not None and time.perf_counter() - turn.began > self._patience
            if turn is None or not (hangs or self._ended):
                return False
            self._turn = None
            self._taken += turn.record.weight
            if hangs:
                self._hung.add(turn.shadows[0].model.digest)
                log.warning("%s has not come back for %.0f s", _name(turn.shadows[0]), self._patience)
            for place, shadow in enumerate(turn.shadows):
                self._fail(shadow, "model" if hangs and place == 0 else "overload")
        self.due.set()
        return True

    def end(self) -> None:
        """No more predictions: the server stops."""
        self._ended = True
        self.due.set()

    def _outcome(self, shadow: LiveVariant, record: Served) -> Served | str:
        """The shadow's own record, or the kind of error in its place."""
        if self._ended:
            return "overload"
        if shadow.model.digest in self._hung:
            return "model"
        began = time.perf_counter()
        try:
            outputs = shadow.model.predict_aside(record.columns)
        except LoopwrightError:
            return "model"
        return replace(record, live=shadow, latency_ms=1000 * (time.perf_counter() - began), outputs=outputs)

    def _tell(self, turn: _Turn, outcome: Served | str) -> bool:
        """Record what came of the turn's next shadow; False where it was given up meanwhile, and came back now."""
        with self._lock:
            shadow = turn.shadows[0]
            if turn is not self._turn:
                self._hung.discard(shadow.model.digest)
                log.warning("%s came back", _name(shadow))
                return False
            turn.shadows.popleft()
            turn.began = math.inf
            if isinstance(outcome, Served):
                self.recorder.served(outcome)
            else:
                self._fail(shadow, outcome)
            return True

    def _over(self, turn: _Turn) -> bool:
        with self._lock:
            if turn is not self._turn:
                return False
            self._turn = None
            self._taken += turn.record.weight
            return True

    def _fail(self, shadow: LiveVariant, kind: str) -> None:
        self.recorder.failed(Failed(shadow, self._clock.now(), kind))

    def _say_full(self, record: Served) -> None:
        """Once, until the queue has been empty again."""
        if not self._full:
            self._full = True
            log.warning("%s: the shadows' queue is full, copies are dropped and counted", record.live.revision.endpoint)


class _Turn:
    """A record at work, and the shadows that are still to predict it: the first of them since `began`."""

    __slots__ = ("began", "record", "shadows")

    def __init__(self, record: Served) -> None:
        self.record = record
        self.shadows = deque(_chosen(record))
        self.began = math.inf


def _name(shadow: LiveVariant) -> str:
    return f"{shadow.revision.endpoint}: the shadow {shadow.variant.name} (version {shadow.number})"


def _chosen(record: Served) -> list[LiveVariant]:
    """The shadows that get this one: by its prediction id, so that a share is a fair one."""
    return [
        shadow
        for shadow in record.live.shadows
        if shadow.variant.weight >= 100 or place("shadow", record.prediction_id) < shadow.variant.weight
    ]
