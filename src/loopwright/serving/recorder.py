"""What happened, remembered for the background: bounded, and cheap for the request that it happened to."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Lock

from loopwright.serving.batch import Batch, gather
from loopwright.serving.endpoints import LiveVariant
from loopwright.serving.served import Failed, Lost, Served

log = logging.getLogger("loopwright.serving")

GATHERED = 32
"""So many records are put together where they are added, which holds up the next request for a third of a millisecond.
If a thread did it once a second, it would contend for the interpreter with every request for as long as it took."""

FEW_ROWS = 8 * GATHERED
"""More rows than these are put together in the background: it would take too long here."""


class Recorder:
    """A buffer of `limit` rows (see `Served.weight`) between one thread, which alone adds, and the background, which
    alone takes.

    What was answered is handed on to `copies`, for the shadows. Failures are kept as counts by the second, so that
    they too are bounded.
    """

    def __init__(self, limit: int, copies: Callable[[Served], None] | None = None) -> None:
        self._limit = limit
        self._copies = copies
        self._buffer: deque[Served] = deque()
        self._batches: deque[Batch] = deque()
        self._added = 0
        self._taken = 0
        self._failed: Counter[Failed] = Counter()
        self._lost: dict[LiveVariant, Lost] = {}
        self._lock = Lock()

    def served(self, record: Served) -> None:
        if record.live.shadows and self._copies:
            self._copies(record)
        if self._added - self._taken + record.weight > self._limit:
            self._lose(record)
            return
        self._added += record.weight
        self._buffer.append(record)
        if len(self._buffer) % GATHERED == 0 and sum(one.rows for one in tuple(self._buffer)) <= FEW_ROWS:
            records = self._pop_all()
            batches = self._together(records)
            self._batches.extend(batches)
            self._added -= 0 if batches else sum(one.weight for one in records)

    def failed(self, record: Failed) -> None:
        second = Failed(record.live, record.at.replace(microsecond=0), record.kind, record.slot, record.named)
        with self._lock:
            self._failed[second] += 1

    @property
    def waiting(self) -> int:
        """What has been added and not taken: rows, or kilobytes where these are more."""
        return self._added - self._taken

    @property
    def oldest(self) -> datetime | None:
        """When the first of them was answered."""
        try:
            return self._batches[0].at[0] if self._batches else self._buffer[0].at
        except IndexError:
            return None

    def take(self) -> tuple[list[Batch], Counter[Failed], dict[LiveVariant, Lost]]:
        """Everything remembered since the last time, in the order it happened; failures with their numbers."""
        batches = [self._batches.popleft() for _ in range(len(self._batches))]
        records = self._pop_all()
        self._taken += sum(one.weight for one in batches) + sum(one.weight for one in records)
        batches += self._together(records)
        with self._lock:
            failed, self._failed = self._failed, Counter()
            lost, self._lost = self._lost, {}
        return batches, failed, lost

    def _pop_all(self) -> list[Served]:
        """The records in the buffer. Both threads may be at it: each record goes to one of them."""
        records = []
        try:
            for _ in range(len(self._buffer)):
                records.append(self._buffer.popleft())
        except IndexError:
            pass
        return records

    def _together(self, records: Sequence[Served]) -> list[Batch]:
        try:
            return gather(records)
        except Exception:  # the requests are answered: that must not fail for their record's sake
            log.exception("%d records could not be put together", len(records))
            for record in records:
                self._lose(record)
            return []

    def _lose(self, record: Served) -> None:
        with self._lock:
            tally = self._lost.setdefault(record.live, Lost(record.at))
            tally.requests += 1
            tally.rows += record.rows
            tally.named += record.named
