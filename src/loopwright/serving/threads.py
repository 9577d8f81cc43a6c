"""The threads of a worker's libraries held to its share of the cores: workers that each take them all wait in line."""

from __future__ import annotations

import os

from threadpoolctl import threadpool_limits

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
"""What libraries read when they are loaded; a value that is set already is somebody's will, and stays."""


def budget_threads(threads: int) -> None:
    """Hold this process's numeric libraries, those loaded and those to come, to `threads` each."""
    for name in VARIABLES:
        os.environ.setdefault(name, str(threads))
    threadpool_limits(limits=threads)
