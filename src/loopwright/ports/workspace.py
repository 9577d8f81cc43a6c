"""What surrounds the work of a job: where its inputs lie, where it may write, and whom it tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from loopwright.core.clock import Clock
from loopwright.declare import Model
from loopwright.ports.predictor import Predictor
from loopwright.ports.storage import Storage


class LoadPredictor(Protocol):
    """Opens a bundle folder to predict in so many `threads`, 0 for one a core. Raises `BundleError`."""

    def __call__(self, folder: Path, *, threads: int = 1) -> Predictor: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Workspace:
    """What a job's work may use.

    `folder` is scratch space; `code` the folder with the project's Python files and `module` the one in it that
    declares `model` (both None where nothing was declared in files). `load_predictor` opens a bundle folder.
    `progress(text, done)` is shown live: `done` is the share of the work behind us, 0 to 1.
    """

    storage: Storage
    folder: Path
    model: Model
    code: Path | None
    module: str | None
    load_predictor: LoadPredictor
    progress: Callable[[str, float], None]
    clock: Clock
