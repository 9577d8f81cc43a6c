"""What happened, remembered for the background: bounded, and cheap for the request that it happened to."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
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
    columns: Mapping[str, Values]
    outputs: Outputs


@dataclass(frozen=True, slots=True)
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
    """A buffer of `limit` rows between one thread, which alone adds, and the background, which alone takes.

    What was answered is handed on to `copies`, for the shadows. Failures are kept as counts by the second, so that
    they too are bounded.
    """

    def __init__(self, limit: int, copies: Callable[[Served], None] | None = None) -> None:
        self._limit = limit
        self._copies = copies
        self._buffer: deque[Served] = deque()
        self._added = 0
        self._taken = 0
        self._failed: Counter[Failed] = Counter()
        self._lost: dict[LiveVariant, Lost] = {}
        self._lock = Lock()

    def served(self, record: Served) -> None:
        if record.live.shadows and self._copies:
            self._copies(record)
        if self._added - self._taken + record.rows > self._limit:
            self._lose(record)
            return
        self._added += record.rows
        self._buffer.append(record)

    def failed(self, record: Failed) -> None:
        second = Failed(record.live, record.at.replace(microsecond=0), record.kind)
        with self._lock:
            self._failed[second] += 1

    @property
    def waiting(self) -> int:
        """Rows that have been added and not taken."""
        return self._added - self._taken

    @property
    def oldest(self) -> datetime | None:
        """When the first of them was answered."""
        try:
            return self._buffer[0].at
        except IndexError:
            return None

    def take(self) -> tuple[list[Served], Counter[Failed], dict[LiveVariant, Lost]]:
        """Everything remembered since the last time, in the order it happened; failures with their numbers."""
        served = [self._buffer.popleft() for _ in range(len(self._buffer))]
        self._taken += sum(record.rows for record in served)
        with self._lock:
            failed, self._failed = self._failed, Counter()
            lost, self._lost = self._lost, {}
        return served, failed, lost

    def _lose(self, record: Served) -> None:
        with self._lock:
            tally = self._lost.setdefault(record.live, Lost(record.at))
            tally.requests += 1
            tally.rows += record.rows
