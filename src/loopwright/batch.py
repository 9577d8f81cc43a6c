"""Batch inference: a source of any size through a bundle, in memory bounded by the batch, not by the source."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from loopwright.bundle.frames import frame_columns
from loopwright.bundle.records import Manifest
from loopwright.core.clock import Clock
from loopwright.data.reading import write_part
from loopwright.data.sources import SourceFile, list_source
from loopwright.errors import RequestError, StorageError
from loopwright.ports.predictor import Predictor

BATCH_ROWS = 65_536
"""Rows held at a time: reading, predicting and writing together take a few times this many rows of memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchReport:
    """What a batch did: rows scored, where they are, how long it took."""

    rows: int
    files: int
    output: str
    seconds: float


def score(
    source: str,
    output: Path,
    *,
    root: Path,
    predictor: Predictor,
    manifest: Manifest,
    clock: Clock,
    keep: tuple[str, ...] = (),
    batch_rows: int = BATCH_ROWS,
    progress: Callable[[str, float], None] = lambda text, done: None,
) -> BatchReport:
    """Score every row of `source` into `output` (`.parquet` or `.csv`), in order: `keep` columns, then the outputs.

    The output appears whole or not at all. Raises `SourceError`, `RequestError` that says from which row on a column
    does not fit, and `StorageError` where the output cannot be written.
    """
    if output.suffix.lower() not in (".parquet", ".csv"):
        raise RequestError(f"{output} names no format", remedy="end it in .parquet or .csv")
    began = clock.now()
    files = list_source(source, root)
    kept = keep or ((manifest.key,) if manifest.key else ())
    partial = output.with_name(f".{output.name}.partial")
    rows = 0
    with tempfile.TemporaryDirectory(prefix="loopwright-batch-") as scratch:
        writer = _Writer(partial, as_csv=output.suffix.lower() == ".csv")
        try:
            for place, file in enumerate(files):
                for frame in _batches(file, Path(scratch), batch_rows):
                    writer.write(_scored(frame, predictor, kept, rows))
                    rows += frame.height
                    progress(f"{rows:,} rows scored", (place + 0.5) / len(files))
            writer.close()
            partial.replace(output)
            progress(f"{rows:,} rows scored", 1.0)
        except OSError as error:
            raise StorageError(
                f"{output} cannot be written: {error.strerror or error}", remedy="free space, or write elsewhere"
            ) from error
        finally:
            writer.close()
            with suppress(OSError):
                partial.unlink()
    return BatchReport(rows=rows, files=len(files), output=str(output), seconds=(clock.now() - began).total_seconds())


def _batches(file: SourceFile, scratch: Path, batch_rows: int) -> Iterator[pl.DataFrame]:
    typed = scratch / "part.parquet"
    part, _ = write_part(file.bring(scratch), file.origin, file.format, typed)
    yield from pl.scan_parquet(part, glob=False).collect_batches(chunk_size=batch_rows, maintain_order=True)
    typed.unlink(missing_ok=True)  # sound Parquet is read where it is


def _scored(frame: pl.DataFrame, predictor: Predictor, keep: tuple[str, ...], before: int) -> pa.Table:
    missing = [name for name in keep if name not in frame.columns]
    if missing:
        raise RequestError(f"the source has no column {missing[0]!r}", remedy=f"it has: {', '.join(frame.columns)}")
    try:
        outputs = predictor.predict(frame_columns(frame))
    except RequestError as error:
        raise RequestError(f"rows from {before + 1:,} on: {error.message}", remedy=error.remedy) from None
    kept = frame.select(keep).to_arrow() if keep else pa.table({"row": np.arange(before, before + frame.height)})
    for name, values in outputs.items():
        for column, part in _columns(name, values):
            kept = kept.append_column(column, part)
    return kept


def _columns(name: str, values: NDArray[Any]) -> Iterator[tuple[str, pa.Array]]:
    if values.ndim == 1:
        yield name, pa.array(values)
    else:
        for place in range(values.shape[1]):
            yield f"{name}_{place}", pa.array(values[:, place])


class _Writer:
    """Opens the file with the first table's schema; a source without rows leaves an empty file's header only."""

    def __init__(self, path: Path, *, as_csv: bool) -> None:
        self.path, self.as_csv = path, as_csv
        self._open: Any = None

    def write(self, table: pa.Table) -> None:
        if self._open is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            kind = pa.csv.CSVWriter if self.as_csv else pa.parquet.ParquetWriter
            self._open = kind(self.path, table.schema)
        self._open.write_table(table)

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None
