"""What happened, remembered for the background: bounded, and cheap for the request that it happened to."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Literal

from loopwright.bundle.outputs import Outputs
from loopwright.serving.endpoints import LiveVariant
from loopwright.serving.tabular import Values

ErrorKind = Literal["request", "model", "overload"]


@dataclass(slots=True)
class Served:
    """A request that was answered. `columns` are as they came: by raw column, equally long."""

    live: LiveVariant
    prediction_id: str
    rows: int
    at: datetime
    key: str | None
    latency_ms: float
    columns: dict[str, Values]
    outputs: Outputs


@dataclass(slots=True)
class Failed:
    """A request that was not."""

    live: LiveVariant
    at: datetime
    kind: str


@dataclass(slots=True)
class Lost:
    """Requests of which nothing but the count is known: the buffer was full."""

    at: datetime
    requests: int = 0
    rows: int = 0


class Recorder:
    """A buffer of `limit` rows between the event loop, which alone adds, and the background, which alone takes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer: deque[Served | Failed] = deque()
        self._added = 0
        self._taken = 0
        self._lost: dict[LiveVariant, Lost] = {}
        self._lock = Lock()

    def served(self, record: Served) -> None:
        if self._added - self._taken + record.rows > self._limit:
            self._lose(record)
            return
        self._added += record.rows
        self._buffer.append(record)

    def failed(self, record: Failed) -> None:
        if len(self._buffer) <= self._limit:
            self._buffer.append(record)

    @property
    def waiting(self) -> int:
        """Rows that have been added and not taken."""
        return self._added - self._taken

    def take(self) -> tuple[list[Served], list[Failed], dict[LiveVariant, Lost]]:
        """Everything remembered since the last time, in the order it happened."""
        served: list[Served] = []
        failed: list[Failed] = []
        for _ in range(len(self._buffer)):
            record = self._buffer.popleft()
            if isinstance(record, Served):
                served.append(record)
                self._taken += record.rows
            else:
                failed.append(record)
        with self._lock:
            lost, self._lost = self._lost, {}
        return served, failed, lost

    def _lose(self, record: Served) -> None:
        with self._lock:
            tally = self._lost.setdefault(record.live, Lost(record.at))
            tally.requests += 1
            tally.rows += record.rows
