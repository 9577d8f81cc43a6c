"""A project's state brought back from the file that a backup made."""

from __future__ import annotations

import shutil
import socket
import tarfile
import zlib
from pathlib import Path
from typing import IO

from loopwright.bootstrap.backup import MANIFEST, Backup, Progress
from loopwright.bootstrap.platform import Platform
from loopwright.core.codec import from_json
from loopwright.errors import ConflictError, StateError, StorageError
from loopwright.state.dump import count_rows, load_tables
from loopwright.state.schema import HEAD


def restore_backup(platform: Platform, file: Path, *, force: bool, progress: Progress) -> Backup:
    """Bring the project back to what `file` holds. The whole archive is read through before anything is changed.

    Raises `StorageError` where the archive is damaged, `StateError` where another version made it, and `ConflictError`
    where the platform runs, or holds anything and `force` is not given: then all of that is replaced.
    """
    backup = read_backup(file)
    if backup.migration != HEAD:
        raise StateError(
            f"{file} was made by Loopwright {backup.version} (tables at {backup.migration}, ours at {HEAD})",
            remedy=f"restore it with that version, then upgrade: pip install loopwright=={backup.version}",
        )
    _check_idle(platform)
    if not force and (held := _held(platform)):
        raise ConflictError(
            f"{platform.root} is in use: it holds {held}",
            remedy="restore into another folder, or replace it all with --force",
        )
    _clear(platform)
    with _opened(file) as archive:
        _Reader(platform, archive, backup.files, progress).read()
    return backup


def read_backup(file: Path) -> Backup:
    """What the archive says of itself, when all of it is there. Raises `StorageError`."""
    files, manifest = 0, None
    with _opened(file) as archive:
        for member in archive:
            content = _content(archive, member).read()
            files += 1
            manifest = content if member.name == MANIFEST else manifest
    try:
        backup = from_json(manifest or b"", Backup)
    except ValueError:
        raise _damaged(file, f"it has no {MANIFEST}") from None
    if backup.files != files - 1:
        raise _damaged(file, f"it holds {files - 1} files, and says it holds {backup.files}")
    return backup


class _Reader:
    """Puts what an archive holds back in its place."""

    def __init__(self, platform: Platform, archive: tarfile.TarFile, files: int, progress: Progress) -> None:
        self.platform, self.archive, self.files, self.progress = platform, archive, files, progress

    def read(self) -> None:
        tables: dict[str, list[bytes]] = {}
        for place, member in enumerate(self.archive):
            self.progress(f"restoring {place:,} of {self.files:,} files", place / max(1, self.files))
            kind, _, name = member.name.partition("/")
            content = _content(self.archive, member).read()
            if kind == "state":
                tables[name.removesuffix(".jsonl")] = content.splitlines()
            elif kind == "store":
                self.platform.storage.put(name, content)
            elif kind == "contracts":
                _put(self.platform.root / self.platform.settings.contracts, name, content)
            elif kind == "mlflow" and not self.platform.settings.tracking:
                _put(self.platform.home / "mlflow", name, content)
        load_tables(self.platform.state, tables.items())


def _put(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise StorageError(f"the backup holds the unsafe path {name!r}", remedy="do not restore it")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _check_idle(platform: Platform) -> None:
    settings = platform.settings
    for port in (settings.port, settings.inference_port):
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex((settings.host, port)) == 0:
                raise ConflictError(
                    f"something answers on port {port} of {settings.host}: the platform may be running",
                    remedy="stop it before you restore",
                )


def _held(platform: Platform) -> str:
    rows = count_rows(platform.state)
    key = next(iter(platform.storage.list("")), None)
    said = [f"{rows:,} rows in the state database"] if rows else []
    said += [f"objects in the store, such as {key}"] if key else []
    said += ["MLflow's database"] if (platform.home / "mlflow" / "mlflow.db").exists() else []
    return " and ".join(said)


def _clear(platform: Platform) -> None:
    for key in list(platform.storage.list("")):
        platform.storage.delete(key)
    # Copies of objects and captures on their way are of what there was before.
    for folder in ("cache", "spool", *(() if platform.settings.tracking else ("mlflow",))):
        shutil.rmtree(platform.home / folder, ignore_errors=True)


class _opened:  # noqa: N801 - reads as a statement
    """The archive, its damages said as they are."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __enter__(self) -> tarfile.TarFile:
        try:
            self.archive = tarfile.open(self.file, "r:gz")
        except FileNotFoundError:
            raise StorageError(f"there is no file {self.file}", remedy="name the file that a backup made") from None
        except (OSError, tarfile.TarError, EOFError) as error:
            raise _damaged(self.file, str(error)) from None
        return self.archive

    def __exit__(self, kind: object, error: BaseException | None, _where: object) -> None:
        self.archive.close()
        if isinstance(error, tarfile.TarError | EOFError | zlib.error):
            raise _damaged(self.file, str(error)) from None


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(member) if member.isfile() else None
    if content is None:
        raise tarfile.ReadError(f"{member.name} is no plain file")
    return content


def _damaged(file: Path, why: str) -> StorageError:
    return StorageError(f"{file} is no whole backup: {why}", remedy="take another copy of it; nothing was changed")
