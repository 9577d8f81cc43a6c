"""A project's state in one file: database, object store, contracts and MLflow's own database."""

from __future__ import annotations

import io
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from loopwright import __version__
from loopwright.bootstrap.platform import Platform
from loopwright.core.codec import to_json
from loopwright.errors import ConflictError, NotFoundError, StorageError
from loopwright.state.dump import dump_tables
from loopwright.state.schema import HEAD

MANIFEST = "backup.json"
"""The last file of the archive: it vouches for all before it."""

PASSING = ("jobs/", "status/")
"""What nobody needs to go on: what jobs have said, and what servers last served."""

CAPTURES = ("predictions/", "summaries/")

Progress = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Backup:
    """What an archive holds: `files` in all, `objects` of the store; `mlflow` says whether its database is there."""

    format: int = 1
    version: str
    migration: str
    created: datetime
    files: int
    objects: int
    rows: int
    captures: bool
    mlflow: bool


def write_backup(platform: Platform, file: Path, *, captures: bool, progress: Progress) -> Backup:
    """Write all that the project needs to go on into `file`, a tar.gz; it may be in use meanwhile.

    The file appears whole or not at all. Raises `StorageError`, `StateError`, and `ConflictError` where it is there.
    """
    if file.exists():
        raise ConflictError(f"{file} is there already", remedy="name another file, or move it away")
    partial = file.with_name(f".{file.name}.partial")
    try:
        with tarfile.open(partial, "w:gz", compresslevel=1) as archive:
            made = _Writer(platform, archive, progress).write(captures=captures)
        partial.replace(file)
    except OSError as error:
        raise StorageError(
            f"{file} cannot be written: {error.strerror or error}", remedy="free space, or write elsewhere"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return made


class _Writer:
    """Adds things to an archive."""

    def __init__(self, platform: Platform, archive: tarfile.TarFile, progress: Progress) -> None:
        self.platform, self.archive, self.progress = platform, archive, progress
        self.files = self.rows = self.objects = 0

    def write(self, *, captures: bool) -> Backup:
        storage = self.platform.storage
        # Revisions as they were before the rows, and all else as it is after them: so every version that a revision
        # names is among the rows, and every object that a row names is among the objects.
        revisions = list(storage.list("endpoints/"))
        self._tables()
        left_out = (*PASSING, "endpoints/", *(() if captures else CAPTURES))
        others = [key for key in storage.list("") if not key.startswith(left_out)]
        self._objects([*revisions, *others])
        self._folder("contracts", self.platform.root / self.platform.settings.contracts)
        mlflow = self._mlflow()
        made = Backup(
            version=__version__,
            migration=HEAD,
            created=self.platform.clock.now(),
            files=self.files,
            objects=self.objects,
            rows=self.rows,
            captures=captures,
            mlflow=mlflow,
        )
        self._add(MANIFEST, to_json(made))
        return made

    def _tables(self) -> None:
        for name, lines in dump_tables(self.platform.state):
            self.progress(f"copying the table {name}", 0.0)
            with tempfile.TemporaryFile() as rows:
                for line in lines:
                    rows.write(line + b"\n")
                    self.rows += 1
                self._add(f"state/{name}.jsonl", rows)

    def _objects(self, keys: list[str]) -> None:
        with tempfile.TemporaryDirectory(prefix="loopwright-backup-") as scratch:
            for place, key in enumerate(keys):
                self.progress(f"copying {place:,} of {len(keys):,} objects", place / len(keys))
                try:
                    local = self.platform.storage.fetch(key, Path(scratch))
                except NotFoundError:
                    continue  # gone meanwhile, for nothing needed it
                with local.open("rb") as content:
                    self._add(f"store/{key}", content)
                if local.is_relative_to(scratch):
                    local.unlink()
                self.objects += 1

    def _mlflow(self) -> bool:
        folder = self.platform.home / "mlflow"
        database = folder / "mlflow.db"
        if self.platform.settings.tracking or not database.exists():
            return False
        self.progress("copying MLflow", 1.0)
        with tempfile.TemporaryDirectory(prefix="loopwright-backup-") as scratch:
            copy = Path(scratch) / "mlflow.db"
            with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
                source.backup(target)
            with copy.open("rb") as content:
                self._add("mlflow/mlflow.db", content)
        self._folder("mlflow/artifacts", folder / "artifacts")
        return True

    def _folder(self, name: str, folder: Path) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                with path.open("rb") as content:
                    self._add(f"{name}/{path.relative_to(folder).as_posix()}", content)

    def _add(self, name: str, content: bytes | IO[bytes]) -> None:
        data = io.BytesIO(content) if isinstance(content, bytes) else content
        member = tarfile.TarInfo(name)
        member.size = data.seek(0, io.SEEK_END)
        data.seek(0)
        self.archive.addfile(member, data)
        self.files += 1
