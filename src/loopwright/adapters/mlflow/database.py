"""MLflow's database, made by one process at a time: MLflow does not keep apart two that begin together."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loopwright.core.digest import digest_bytes


@contextmanager
def alone_at(url: str) -> Iterator[None]:
    """Nobody else on this machine makes the database at `url`, or brings it up to date, until the block ends."""
    name = f"loopwright-mlflow-{os.getuid()}-{digest_bytes(url.encode())[:16]}.lock"
    with (Path(tempfile.gettempdir()) / name).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
