"""A worker's threads: held to its share of the cores, out of the way of requests, and taking short turns at the
interpreter.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import platform
import struct
import sys
import time
from contextlib import suppress
from threading import Event, Semaphore, get_native_id

from threadpoolctl import threadpool_limits

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
"""What libraries read when they are loaded; a value that is set already is somebody's will, and stays."""

TURN_SECONDS = 0.0001
PIECE_SECONDS = 0.0002
PAUSE_SECONDS = 0.001
LONGEST_SECONDS = 0.002
MOST_LATE = 2
"""How long a turn of the writer's is, how long the loop has at least until the next, how long it waits at most for the
end of one, and how often in a row in vain.
"""

NICE = 5
"""So much less than who answers. With much more, a program that is busy on the same core would hold up a thread that
holds Python's lock, and with it all answers.
"""

SLICE_NANOSECONDS = 100_000_000
"""The longest that Linux gives."""


def budget_threads(threads: int) -> None:
    """Hold this process's numeric libraries, those loaded and those to come, to `threads` each."""
    for name in VARIABLES:
        os.environ.setdefault(name, str(threads))
    threadpool_limits(limits=threads)


def give_way() -> None:
    """Let the calling thread have the processor when nobody is to be answered: what takes it long needs no lock of
    Python's. Only Linux knows priorities of single threads.
    """
    if sys.platform == "linux":
        nice = min(19, os.getpriority(os.PRIO_PROCESS, get_native_id()) + NICE)
        with suppress(OSError):  # some sandboxes do not let it
            os.setpriority(os.PRIO_PROCESS, get_native_id(), nice)
        _take_long_slices(nice)


def _take_long_slices(nice: int) -> None:
    """Since 6.12 Linux lets a thread that wakes break into one that has longer slices (`sched_setattr(2)`). A low
    priority alone means less of the time, not that a request need not wait until a slice is over.
    """
    call = _SCHED_SETATTR.get(platform.machine())
    if call is not None:
        normal, flags, unused = 0, 0, 0
        words = (_SIZE, normal, flags, nice, unused, SLICE_NANOSECONDS, unused, unused, unused, unused)
        ctypes.CDLL(None).syscall(call, 0, struct.pack("=IIQiIQQQII", *words), 0)  # an older kernel takes no notice


class NoTurns:
    """Nobody waits for the thread, and it waits for nobody."""

    def rest(self) -> None:
        """Called by the thread between pieces of its work."""

    def end(self) -> None:
        """Called by the thread before what needs no lock of Python's."""


class Turns(NoTurns):
    """Turns of a thread at the interpreter, between those of an event loop that waits for nothing then.

    A thread that works beside the loop makes each request wait for it several times over: whenever the loop reads or
    sends, it lets go of Python's lock, and comes back to it only when the thread's time is over. Here the loop itself
    says when: after it has answered what is there, for one short piece of work. There are turns for `seconds`, until
    `hurry`, or until two in a row took too long, as where the thread has a turn but no processor: what is left then is
    done beside the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, hurry: Event) -> None:
        self._loop = loop
        self._until = time.perf_counter() + seconds
        self._hurry = hurry
        self._given = Semaphore(0)
        self._over = Semaphore(0)
        self._has_it = self._wants_it = False
        self._late = 0
        self._began = 0.0

    def rest(self) -> None:
        """Wait for the next turn, unless this one is still young."""
        if self._has_it and time.thread_time() - self._began < PIECE_SECONDS:
            return
        self.end()
        if self._may_have_it:
            with suppress(RuntimeError):  # the loop is closed
                self._wants_it = True
                self._loop.call_soon_threadsafe(self._loop.call_later, PAUSE_SECONDS, self._give)
                self._wait()

    def end(self) -> None:
        """The loop goes on."""
        if self._has_it:
            self._has_it = False
            self._over.release()

    @property
    def _may_have_it(self) -> bool:
        return self._late < MOST_LATE and time.perf_counter() < self._until and not self._hurry.is_set()

    def _wait(self) -> None:
        """A loop that is at its end waits for the thread, and gives no turns."""
        while not self._has_it and self._may_have_it:
            self._has_it = self._given.acquire(timeout=0.05)
        self._wants_it = False
        self._began = time.thread_time()

    def _give(self) -> None:
        """On the loop."""
        if self._wants_it:
            self._over.acquire(blocking=False)  # of a turn that took too long
            self._given.release()
            self._late = 0 if self._over.acquire(timeout=LONGEST_SECONDS) else self._late + 1


def take_short_turns() -> None:
    """Who wants the interpreter gets it after `TURN_SECONDS`: with Python's own 5 ms a request would wait as long for a
    thread that works.
    """
    sys.setswitchinterval(TURN_SECONDS)


_SIZE = 56
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
"""The number of the system call, for which neither Python nor every C library has a function."""
