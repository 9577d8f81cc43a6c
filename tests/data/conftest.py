"""A dataset in memory, and the real sets where they are."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from loopwright.data.contract import DataContract, infer_contract
from loopwright.data.profile import profile_rows
from loopwright.data.records import DatasetVersion, Profile, ValidationReport
from loopwright.data.snapshot import load_rows, snapshot
from loopwright.data.validate import validate
from loopwright.declare import Declaration
from loopwright.testing.storage import MemoryStorage

NOW = datetime(2024, 6, 1, tzinfo=UTC)


@dataclass
class Room:
    """A folder with sources and a store, with the room's verbs at hand."""

    folder: Path
    storage: MemoryStorage = field(default_factory=MemoryStorage)

    @property
    def scratch(self) -> Path:
        return self.folder / ".scratch"

    def write(self, name: str, content: str | bytes | pl.DataFrame) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pl.DataFrame):
            content.write_parquet(path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def snapshot(self, source: str, root: Path | None = None) -> DatasetVersion:
        return snapshot(name="set", source=source, root=root or self.folder, storage=self.storage, scratch=self.scratch)

    def keep(self, rows: pl.DataFrame) -> DatasetVersion:
        self.write("rows.parquet", rows)
        return self.snapshot("rows.parquet")

    def rows(self, version: DatasetVersion) -> pl.DataFrame:
        return load_rows(version, self.storage, self.scratch).collect()

    def profile(self, version: DatasetVersion) -> Profile:
        return profile_rows(version, self.storage, self.scratch)

    def contract(self, version: DatasetVersion, target: str = "none", **declared: Any) -> DataContract:
        declaration = Declaration(name="m", source=version.source, target=target, **declared)
        return infer_contract("set", self.profile(version), declaration)

    def validate(
        self,
        version: DatasetVersion,
        contract: DataContract,
        tolerate: float = 0.05,
        target: str | None = None,
        now: datetime = NOW,
    ) -> ValidationReport:
        return validate(
            version,
            contract,
            tolerate=tolerate,
            storage=self.storage,
            scratch=self.scratch,
            now=now,
            target=target,
        )

    def quarantined(self, report: ValidationReport) -> pl.DataFrame:
        assert report.quarantine is not None
        return pl.read_parquet(self.storage.get(report.quarantine))


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


@pytest.fixture
def new_room(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Room]:
    """Rooms as many as wanted: for property tests, whose examples must not see one another."""
    return lambda: Room(tmp_path_factory.mktemp("room"))


@pytest.fixture
def real() -> Path:
    """The folder with the real data sets."""
    folder = Path(os.environ.get("LOOPWRIGHT_DATA") or Path(__file__).parents[3] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: name their folder in LOOPWRIGHT_DATA")
    return folder
