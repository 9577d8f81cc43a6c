"""A worker's threads: held to its share of the cores, out of the way of requests, and taking short turns at the
interpreter.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import time
from contextlib import suppress
from threading import Event, get_native_id

from threadpoolctl import threadpool_limits

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
"""What libraries read when they are loaded; a value that is set already is somebody's will, and stays."""

TURN_SECONDS = 0.0001
PIECE_SECONDS = 0.0003
REST = 3
"""So many times as long as a piece of work took are requests let come between: at half load what has come meanwhile is
answered in as long again.
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


class Rests:
    """Rests between pieces of a thread's work, for `seconds` in all or until `hurry`: then it is done without any."""

    def __init__(self, seconds: float, hurry: Event) -> None:
        self._until = time.perf_counter() + seconds
        self._hurry = hurry
        self._began = time.thread_time()

    def __call__(self) -> None:
        """Rest, if there has been work enough since the last time."""
        worked = time.thread_time() - self._began
        if worked >= PIECE_SECONDS and time.perf_counter() < self._until:
            self._hurry.wait(REST * worked)
            self._began = time.thread_time()


def take_short_turns() -> None:
    """Who wants the interpreter gets it after `TURN_SECONDS`: with Python's own 5 ms a request would wait as long for a
    thread that works.
    """
    sys.setswitchinterval(TURN_SECONDS)


_SIZE = 56
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
"""The number of the system call, for which neither Python nor every C library has a function."""
