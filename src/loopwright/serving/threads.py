"""A worker's threads: held to its share of the cores, out of the way of requests, and taking short turns at the
interpreter while they work.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from contextlib import suppress
from threading import Lock, get_native_id

from threadpoolctl import threadpool_limits

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
"""What libraries read when they are loaded; a value that is set already is somebody's will, and stays."""

TURN_SECONDS = 0.0001
NICE = 5
"""So much less than who answers; 19 is the least there is."""

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


class ShortTurns:
    """A context for work beside the event loop: meanwhile, who wants the interpreter gets it after `TURN_SECONDS`,
    where Python's own 5 ms would keep a request waiting. When nothing is at work the turns are long again: with short
    ones the HTTP library's thread interrupts the event loop's in the midst of requests.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._working = 0
        self._usual = 0.0

    def __enter__(self) -> None:
        with self._lock:
            self._working += 1
            if self._working == 1:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(TURN_SECONDS)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._working -= 1
            if self._working == 0:
                sys.setswitchinterval(self._usual)


short_turns = ShortTurns()
"""The process's own: there is one interpreter."""

_SIZE = 56
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
"""The number of the system call, for which neither Python nor every C library has a function."""
