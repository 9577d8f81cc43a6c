"""What a simulation begins with: the user's project in a laboratory, and a world around it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from loopwright.bootstrap.platform import open_platform
from loopwright.bundle.code import archive_code, unpack_code
from loopwright.core.clock import VirtualClock
from loopwright.data.snapshot import load_rows, snapshot
from loopwright.declare import Declaration
from loopwright.errors import ConflictError, StorageError
from loopwright.project import Project
from loopwright.settings import load_settings
from loopwright.simulation.laboratory import Laboratory
from loopwright.simulation.records import RowsFrom, Scenario
from loopwright.simulation.synthetic import SOURCE, synthetic_model, synthetic_rows, synthetic_task
from loopwright.simulation.world import World
from loopwright.testing.storage import MemoryStorage
from loopwright.training.target import plan_target


@dataclass(frozen=True, kw_only=True)
class Setting:
    lab: Laboratory
    world: World
    rows: RowsFrom


def make_setting(
    project: Path | None,
    name: str | None,
    rows: RowsFrom,
    scenario: Scenario,
    days: int,
    seed: int,
    folder: Path,
    keep: bool,
) -> Setting:
    """The laboratory in `folder`, with the project's code in it, and the world around it."""
    theirs = settings = None
    if project is not None:
        settings = load_settings(project)
        theirs = Project(project, settings.models, settings.contracts).model(name)
        unpack_code(archive_code(project), folder)
    if theirs is None or rows == "synthetic":
        rows, task = "synthetic", synthetic_task(theirs.declaration if theirs else None)
        made, frame = synthetic_model(theirs.declaration if theirs else None), synthetic_rows(task, seed)
    else:
        made, frame = theirs, _own_rows(theirs.declaration, project or Path(), folder)
        task = made.declaration.task or plan_target(made.declaration, frame[made.declaration.target]).task
    if rows == "auto":
        rows = "replay" if made.declaration.ordered else "resampled"
    world = World(
        made.declaration,
        task,
        scenario,
        frame,
        mode="replay" if rows == "replay" else "resampled",
        days=days,
        seed=seed,
    )
    made.declaration = replace(made.declaration, source=SOURCE, task=task)
    overrides: dict[str, object] = {
        "state": "",
        "storage": "" if keep else "memory://",
        "home": ".loopwright",
        "tracking": "off",
        "window_seconds": 3600.0,
    }
    (folder / "loopwright.toml").write_text(_toml(overrides), encoding="utf-8")
    overrides |= {"models": settings.models, "allow_pickle": settings.allow_pickle} if settings else {}
    platform = open_platform(folder, environment="dev", overrides=overrides, clock=VirtualClock(world.start))
    lab = Laboratory(root=platform.root, settings=platform.settings, clock=platform.clock, model=made)
    return Setting(lab=lab, world=world, rows=rows)


def empty_folder(folder: Path) -> Path:
    """The folder, made. Raises `StorageError`, and `ConflictError` where anything is in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder} cannot be made: {error.strerror}", remedy="name another folder") from None
    if any(folder.iterdir()):
        raise ConflictError(f"{folder} is not empty", remedy="name a folder that is not there yet")
    return folder


def _own_rows(declaration: Declaration, project: Path, folder: Path) -> pl.DataFrame:
    """All that the model's source holds now."""
    storage, scratch = MemoryStorage(), folder / ".loopwright" / "cache"
    scratch.mkdir(parents=True)
    version = snapshot(
        name=declaration.name, source=declaration.source, root=project.resolve(), storage=storage, scratch=scratch
    )
    return load_rows(version, storage, scratch).collect()


def _toml(settings: dict[str, object]) -> str:
    """So that `loopwright --project` opens a folder that is kept."""
    return "".join(f"{name} = {value!r}\n" for name, value in settings.items())
