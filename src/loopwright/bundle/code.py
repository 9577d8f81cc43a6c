"""The project's own code: archived, unpacked, and imported so that projects do not see each other's modules."""

from __future__ import annotations

import importlib
import io
import stat
import sys
import traceback
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import ModuleType

from loopwright.bundle.isolation import IsolatedProject
from loopwright.declare import Model
from loopwright.errors import BundleError, DeclarationError, LoopwrightError

TEXT_SUFFIXES = frozenset({".toml", ".yaml", ".yml", ".json", ".sql", ".txt", ".cfg", ".ini"})
SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages", "tests", "mlruns", "build", "dist"})
MAX_TEXT_BYTES = 256 * 1024
MAX_CODE_BYTES = 20 * 1024 * 1024
MAX_FILES = 5000


def archive_code(root: Path) -> bytes:
    """A zip of the project's Python files and of its small text files (settings, SQL), equal for equal files.

    Hidden files and folders, virtual environments, caches, tests and text files above 256 KiB are left out. Raises
    `DeclarationError` where what is left is too large to be a project's code.
    """
    files = {path.relative_to(root).as_posix(): path for path in _project_files(root)}
    total = sum(path.stat().st_size for path in files.values())
    if len(files) > MAX_FILES or total > MAX_CODE_BYTES:
        raise DeclarationError(
            f"{root} holds {len(files)} code files of {total / 1e6:.1f} MB, more than a project's code",
            remedy="start in the project's own folder, or move what is not its code elsewhere",
        )
    buffer = io.BytesIO()
    # Stored, not compressed: compressed bytes differ between zlib versions, and the digest must not.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system, member.external_attr = 3, (stat.S_IFREG | 0o644) << 16
            archive.writestr(member, files[name].read_bytes())
    return buffer.getvalue()


def unpack_code(data: bytes, folder: Path) -> None:
    """Write the files of an archive below `folder`. Raises `BundleError` where it is damaged, holds anything but plain
    files below it, or more than a project's code.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) > MAX_FILES or sum(member.file_size for member in members) > MAX_CODE_BYTES:
                raise BundleError("the code archive is larger than a project's code", remedy="do not open it")
            files = {_safe(member): archive.read(member) for member in members}
    except zipfile.BadZipFile as error:
        raise BundleError(f"the code archive cannot be read: {error}", remedy="fetch it again") from None
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def load_module(folder: Path, module: str) -> ModuleType:
    """Import the project file `module` (a path relative to `folder`) and what it imports beside it, in isolation.

    Each call imports anew. Raises `DeclarationError` that names the file, the line and what went wrong there.
    """
    folder, name = folder.resolve(), _module_name(folder, module)
    folders = dict.fromkeys([(folder / module).parent, folder])
    project = IsolatedProject(folders, names=[name.partition(".")[0]])
    with project.active():
        try:
            return importlib.import_module(name)
        except (Exception, SystemExit) as error:
            raise _fault(folder, module, error) from error


def find_models(module: ModuleType) -> dict[str, Model]:
    """The models that a module declares, by name. Raises `DeclarationError` where two have one name."""
    models: dict[str, Model] = {}
    for value in vars(module).values():
        if isinstance(value, Model) and models.setdefault(value.name, value) is not value:
            raise DeclarationError(
                f"{module.__name__} declares two models named {value.name!r}", remedy="give each its own name"
            )
    return models


@contextmanager
def project_code(folder: Path) -> Iterator[None]:
    """Inside, modules import (and pickles open) from `folder`; afterwards nobody else sees them, yet they live on."""
    with IsolatedProject([folder.resolve()]).active():
        yield


def _project_files(root: Path) -> Iterator[Path]:
    for path in sorted(root.iterdir()):
        if path.name.startswith(".") or path.is_symlink():
            continue
        if path.is_dir():
            if path.name not in SKIPPED_FOLDERS and not (path / "pyvenv.cfg").exists():
                yield from _project_files(path)
        elif path.suffix == ".py" or (path.suffix in TEXT_SUFFIXES and path.stat().st_size <= MAX_TEXT_BYTES):
            yield path


def _safe(member: zipfile.ZipInfo) -> PurePosixPath:
    path = PurePosixPath(member.filename)
    link = stat.S_ISLNK(member.external_attr >> 16)
    if link or path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in member.filename:
        raise BundleError(f"the code archive holds the unsafe path {member.filename!r}", remedy="do not open it")
    return path


def _module_name(folder: Path, module: str) -> str:
    path = PurePosixPath(module)
    if not (folder / path).is_file():
        raise DeclarationError(f"there is no file {module} in {folder}", remedy="name the file that declares the model")
    parts = path.with_suffix("").parts
    if path.suffix != ".py" or any("." in part for part in parts) or parts[0] in sys.builtin_module_names:
        raise DeclarationError(
            f"{module} cannot be imported under its name", remedy="give the file a name such as demand.py"
        )
    return ".".join(parts)


def _fault(folder: Path, module: str, error: BaseException) -> DeclarationError:
    where, remedy = _place(folder, module, error), "mend the file; it is imported as it stands"
    if isinstance(error, LoopwrightError):
        return DeclarationError(f"{where}: {error.message}", remedy=error.remedy)
    if isinstance(error, ModuleNotFoundError):
        remedy = f"install {error.name}, or put {error.name}.py beside the file"
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return DeclarationError(f"{where}: {type(error).__name__}: {said}", remedy=remedy)


def _place(folder: Path, module: str, error: BaseException) -> str:
    """The project's file and line nearest to the error."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(folder):
        return f"{Path(error.filename).relative_to(folder)}, line {error.lineno}"
    frames = [
        f"{Path(frame.filename).relative_to(folder)}, line {frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(folder)
    ]
    return frames[-1] if frames else module
