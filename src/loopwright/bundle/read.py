"""A bundle folder read and verified."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from loopwright.bundle.records import ENCODING, MANIFEST, REFERENCE, Encoding, Manifest, Reference
from loopwright.core.codec import from_json
from loopwright.core.digest import digest_file
from loopwright.errors import BundleError

T = TypeVar("T")


MLFLOW_MARK = "registered_model_meta"
"""A file that MLflow writes beside a model it has downloaded from its registry; nothing is read from it."""


def read_manifest(folder: Path) -> Manifest:
    """What the bundle says of itself. Raises `BundleError`."""
    return _read(folder / MANIFEST, Manifest)


def read_encoding(folder: Path) -> Encoding:
    """The bundle's fitted encoding. Raises `BundleError`."""
    return _read(folder / ENCODING, Encoding)


def read_reference(folder: Path) -> Reference | None:
    """What later windows are held against; None where the bundle has none. Raises `BundleError`."""
    return _read(folder / REFERENCE, Reference) if (folder / REFERENCE).exists() else None


def bundle_digest(folder: Path) -> str:
    """The bundle's name by content: the SHA-256 of its manifest, which names every other file's."""
    if not (folder / MANIFEST).is_file():
        raise _no_bundle(folder)
    return digest_file(folder / MANIFEST)


def verify_bundle(folder: Path) -> None:
    """Raise `BundleError` unless every file is there as the manifest's digest has it, and no other file is."""
    expected = read_manifest(folder).files
    present = bundle_files(folder)
    for name, digest in sorted(expected.items()):
        if name not in present:
            raise _corrupt(folder, f"the file {name} is missing")
        found = digest_file(present[name])
        if found != digest:
            raise _corrupt(folder, f"{name} has SHA-256 {found}, but the manifest says {digest}")
    extra = sorted(present.keys() - expected.keys())
    if extra:
        raise _corrupt(folder, f"the file {extra[0]} is not in the manifest")


def bundle_files(folder: Path) -> dict[str, Path]:
    """Every file of a bundle folder by its path in the folder, but its manifest and what MLflow adds to a copy."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path for name, path in files.items() if name not in (MANIFEST, MLFLOW_MARK)}


def _read(path: Path, kind: type[T]) -> T:
    try:
        return from_json(path.read_bytes(), kind)
    except FileNotFoundError:
        raise (
            _no_bundle(path.parent)
            if path.name == MANIFEST
            else _corrupt(path.parent, f"the file {path.name} is missing")
        ) from None
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise _corrupt(path.parent, f"{path.name} cannot be understood: {error}") from None


def _no_bundle(folder: Path) -> BundleError:
    return BundleError(f"{folder} is no bundle: it has no {MANIFEST}", remedy="name the folder that holds bundle.json")


def _corrupt(folder: Path, what: str) -> BundleError:
    return BundleError(
        f"the bundle {folder} is corrupt: {what}", remedy="fetch it again, or go back to an earlier version"
    )
