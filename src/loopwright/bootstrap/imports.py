"""A model trained elsewhere brought in: its files kept in the object store, and a run submitted that wraps them."""

from __future__ import annotations

from pathlib import Path

from loopwright.bootstrap.platform import Platform
from loopwright.core.codec import to_plain
from loopwright.core.digest import digest_all, digest_file
from loopwright.errors import BundleError
from loopwright.ports.storage import upload_folder
from loopwright.runs.records import Run
from loopwright.training.foreign import foreign_kind
from loopwright.training.records import ImportedModel


def submit_import(platform: Platform, model: str, path: Path, *, trained_until: str | None = None) -> Run:
    """Queue a run whose candidate is the model at `path`; it goes through evaluation, gate and rollout as any other.

    Raises `BundleError` where nothing that can be brought in lies there, or pickles are refused by the settings.
    """
    path = path.resolve()
    kind = foreign_kind(path)
    if kind in ("mlflow", "pickle") and not platform.settings.allow_pickle:
        raise BundleError(
            f"{path} may hold pickles, and they are refused here",
            remedy="bring it in as ONNX, or set allow_pickle = true",
        )
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    digest = digest_all([f"{one.relative_to(path.parent)} {digest_file(one)}" for one in files])
    brought = ImportedModel(folder=f"imports/{digest}", name=path.name, kind=kind, trained_until=trained_until)
    place = f"{brought.folder}/{brought.name}"
    if path.is_dir():
        upload_folder(platform.storage, place, path)
    else:
        platform.storage.upload(place, path)
    declared = platform.project.model(model)
    return platform.journal.submit(
        declared.name,
        cause=f"{brought.name} was brought in",
        actor=platform.actor,
        data={"imported": to_plain(brought)},
    )
