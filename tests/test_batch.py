"""Batch inference: every row once, in order, whatever the files are, and the output whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from loopwright.batch import score
from loopwright.bundle.records import Input, Manifest, Output, Signature
from loopwright.core.clock import VirtualClock
from loopwright.errors import RequestError, SourceError, StorageError
from loopwright.testing.predictor import FakePredictor

MANIFEST = Manifest(
    model="double",
    task="regression",
    runtime="python",
    signature=Signature(inputs=(Input(name="x", kind="number"),), outputs=(Output(name="prediction", kind="number"),)),
    files={},
    created=VirtualClock().now(),
    key="id",
)
DOUBLE = FakePredictor(lambda columns: {"prediction": 2 * np.asarray(columns["x"], dtype=float)}, needs=("x",))


def rows(start: int, count: int) -> pl.DataFrame:
    return pl.DataFrame({"id": range(start, start + count), "x": [float(n) for n in range(start, start + count)]})


def run(root: Path, source: str, output: str = "out.parquet", **options: object):
    return score(source, root / output, root=root, predictor=DOUBLE, manifest=MANIFEST, clock=VirtualClock(), **options)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    rows(0, 1000).write_parquet(tmp_path / "in" / "a.parquet")
    rows(1000, 500).write_csv(tmp_path / "in" / "b.csv")
    return tmp_path


@pytest.mark.parametrize("batch_rows", [7, 100, 10_000])
def test_every_row_is_scored_once_and_in_order(folder: Path, batch_rows: int) -> None:
    report = run(folder, "in", batch_rows=batch_rows)
    assert (report.rows, report.files) == (1500, 2)
    found = pl.read_parquet(folder / "out.parquet")
    assert found.columns == ["id", "prediction"]
    assert found["id"].to_list() == list(range(1500))
    assert found["prediction"].to_list() == [2.0 * n for n in range(1500)]


def test_an_output_of_no_known_format_is_refused(folder: Path) -> None:
    with pytest.raises(RequestError, match=r"out\.xlsx names no format"):
        run(folder, "in", "out.xlsx")


def test_csv_comes_out_where_csv_is_asked_for(folder: Path) -> None:
    run(folder, "in/b.csv", "out.csv", keep=("id", "x"))
    found = pl.read_csv(folder / "out.csv")
    assert found.columns == ["id", "x", "prediction"]
    assert found.height == 500


def test_a_column_that_is_not_there_leaves_no_output(folder: Path) -> None:
    with pytest.raises(RequestError, match="no column 'name'"):
        run(folder, "in", keep=("name",))
    rows(0, 5).drop("x").write_parquet(folder / "in" / "c.parquet")
    with pytest.raises(RequestError, match="rows from 1,501 on"):
        run(folder, "in")
    assert sorted(path.name for path in folder.iterdir()) == ["in"]


def test_a_source_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        run(folder, "nowhere.csv")


def test_an_output_that_cannot_be_written_is_named(folder: Path) -> None:
    (folder / "file").write_text("no folder")
    with pytest.raises(StorageError, match="cannot be written"):
        run(folder, "in", "file/out.parquet")
