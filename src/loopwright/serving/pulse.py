"""Signs of life: what a worker leaves in memory that it shares with its supervisor, so that a hung one is noticed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from multiprocessing.sharedctypes import RawArray

BEAT_SECONDS = 0.5


class Pulse:
    """Made by the supervisor before the worker is born.

    Moments are of `time.perf_counter()`, which all processes of a machine read off the same clock; 0 is never.
    """

    def __init__(self) -> None:
        self._said = RawArray("d", 2)

    @property
    def alive_at(self) -> float:
        """When the worker was last known to be at work."""
        return float(self._said[0])

    @property
    def in_flight(self) -> int:
        """How many requests it had in work then."""
        return int(self._said[1])

    def beat(self, alive_at: float, in_flight: int) -> None:
        """The worker was at work at that moment, with so many requests."""
        self._said[1] = in_flight
        self._said[0] = alive_at


class Heart:
    """Beats on a worker's event loop. A loop that is held up does not beat, and one whose model does not come back
    beats for the moment at which that began: `busy_since`.

    `each_beat` is done at every beat.
    """

    def __init__(
        self,
        pulse: Pulse,
        *,
        busy_since: Callable[[], float | None],
        in_flight: Callable[[], int],
        each_beat: Callable[[], None],
    ) -> None:
        self._pulse = pulse
        self._busy_since = busy_since
        self._in_flight = in_flight
        self._each_beat = each_beat

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Beat, from now on."""
        loop.call_later(BEAT_SECONDS, self.start, loop)
        now = time.perf_counter()
        self._pulse.beat(self._busy_since() or now, self._in_flight())
        self._each_beat()
