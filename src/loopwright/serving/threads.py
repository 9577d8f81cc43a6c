"""A worker's threads: held to its share of the cores, and taking short turns at the interpreter while they work."""

from __future__ import annotations

import os
import sys
from threading import Lock

from threadpoolctl import threadpool_limits

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
"""What libraries read when they are loaded; a value that is set already is somebody's will, and stays."""

TURN_SECONDS = 0.0001


def budget_threads(threads: int) -> None:
    """Hold this process's numeric libraries, those loaded and those to come, to `threads` each."""
    for name in VARIABLES:
        os.environ.setdefault(name, str(threads))
    threadpool_limits(limits=threads)


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
