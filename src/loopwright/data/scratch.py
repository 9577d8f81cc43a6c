"""Room to work in on the local disk, and what it means when there is none."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from polars.exceptions import PolarsError

from loopwright.errors import StorageError

_REFUSALS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EIO,
    errno.EEXIST,
)


@contextmanager
def working_folder(scratch: Path) -> Iterator[Path]:
    """A folder below `scratch`, gone afterwards. Raises `StorageError` where the disk is full or may not be written."""
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=scratch, prefix="data-") as folder:
            yield Path(folder)
    except (OSError, PolarsError, duckdb.Error) as error:
        number = disk_refusal(error)
        if number is None:
            raise
        raise StorageError(
            f"{scratch} cannot be worked in: {os.strerror(number)}",
            remedy="make room on that disk, make the folder writable, or name another",
        ) from error


def disk_refusal(error: Exception) -> int | None:
    """The operating system's number of what the disk refused; None where the error is another one.

    Polars and DuckDB pass such errors on as text.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno if error.errno in _REFUSALS else None
    numbered = re.search(r"\(os error (\d+)\)", str(error))
    if numbered:
        return int(numbered[1]) if int(numbered[1]) in _REFUSALS else None
    return next((number for number in _REFUSALS if os.strerror(number) in str(error)), None)
