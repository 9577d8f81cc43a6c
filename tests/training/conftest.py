"""Workspaces for the training room's tests: memory storage, snapshots of made or real rows, the real predictors."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from loopwright.bootstrap.predictor import load_predictor
from loopwright.bundle.code import find_models, load_module
from loopwright.core.clock import SystemClock
from loopwright.data.records import DatasetVersion
from loopwright.data.snapshot import snapshot
from loopwright.declare import Model
from loopwright.ports.workspace import Workspace
from loopwright.testing.storage import MemoryStorage


@pytest.fixture
def workspace(tmp_path: Path) -> Callable[[Model], Workspace]:
    """Make a workspace for a model."""

    def make(model: Model) -> Workspace:
        folder = tmp_path / f"job-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        return Workspace(
            storage=MemoryStorage(),
            folder=folder,
            model=model,
            code=None,
            module=None,
            load_predictor=load_predictor,
            progress=lambda text, done: None,
            clock=SystemClock(),
        )

    return make


@pytest.fixture
def version(tmp_path: Path) -> Callable[[pl.DataFrame | Path, Workspace], DatasetVersion]:
    """Take a snapshot of rows, or of a file, into the workspace's storage."""

    def take(rows: pl.DataFrame | Path, workspace: Workspace) -> DatasetVersion:
        source = rows if isinstance(rows, Path) else tmp_path / "rows.parquet"
        if isinstance(rows, pl.DataFrame):
            rows.write_parquet(source)
        return snapshot(
            name=workspace.model.name,
            source=str(source),
            root=tmp_path,
            storage=workspace.storage,
            scratch=workspace.folder / "scratch",
        )

    return take


@pytest.fixture
def real_data() -> Path:
    """The folder of real data sets; a test that wants it is skipped where there is none."""
    folder = Path(os.environ.get("LOOPWRIGHT_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real data: name its folder in LOOPWRIGHT_DATA")
    return folder


@pytest.fixture
def project(tmp_path: Path, workspace: Callable[[Model], Workspace]) -> Callable[[str], Workspace]:
    """Make a workspace for the model that a project file with this text declares."""

    def make(text: str) -> Workspace:
        code = tmp_path / f"code-{len(list(tmp_path.iterdir()))}"
        code.mkdir()
        (code / "project.py").write_text(f"import polars as pl\nfrom loopwright.declare import *\n{text}\n")
        (model,) = find_models(load_module(code, "project.py")).values()
        return replace(workspace(model), code=code, module="project.py")

    return make
