"""The user's project on disk: which files declare models, their code as an archive, where contracts are kept."""

from __future__ import annotations

import os
import platform
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from loopwright.bundle.code import SKIPPED_FOLDERS, archive_code, find_models, load_module
from loopwright.core.codec import from_json, to_json, to_plain
from loopwright.core.digest import digest_all, digest_bytes
from loopwright.declare import Declaration, Model
from loopwright.errors import DeclarationError, LoopwrightError, NotFoundError
from loopwright.ports.storage import Storage


@dataclass(frozen=True, kw_only=True, slots=True)
class CodeVersion:
    """The code a run works with: an archive in the object store, the file that declares the model, and its origin.

    `commit` is the Git commit (empty outside Git), `dirty` whether files differ from it; `environment` is the digest of
    all installed distributions and their versions.
    """

    key: str
    digest: str
    module: str
    commit: str
    dirty: bool
    python: str
    environment: str

    def lineage(self) -> dict[str, str]:
        """What to write on a version: tag to value."""
        return {
            "code": self.digest,
            "git_commit": self.commit or "none",
            "git_dirty": str(self.dirty).lower(),
            "python": self.python,
            "environment": self.environment,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class DeclaredModel:
    """A model as a project's file declares it, for those who must not load the file: `declaration` in plain form."""

    name: str
    file: str
    declaration: dict[str, Any]


class Project:
    """A folder with Python files that declare models. Several threads may ask it."""

    def __init__(self, root: Path, patterns: tuple[str, ...], contracts: str) -> None:
        self.root = root.resolve()
        self.patterns, self.contracts = patterns, contracts
        self._loading = threading.RLock()
        self._loaded: _Loaded | None = None
        self._known: dict[str, tuple[Model, str]] = {}

    def models(self) -> dict[str, Model]:
        """Every model by name. Raises `DeclarationError` where a file cannot be loaded or two models share a name."""
        loaded = self._load()
        for fault in loaded.faults.values():
            raise fault
        return {name: model for name, (model, _) in loaded.models.items()}

    def model(self, name: str | None = None) -> Model:
        """The model called `name`; without one, the only one. Raises `NotFoundError` that lists what there is."""
        loaded = self._load()
        if name in loaded.models:
            return loaded.models[name][0]
        models = self.models()
        if not models:
            raise NotFoundError(
                f"no model is declared in {', '.join(self.patterns)} below this folder",
                remedy="`loopwright init` writes a first one; or set `models` in loopwright.toml",
            )
        if name is None and len(models) == 1:
            return next(iter(models.values()))
        wrong = "several models are declared" if name is None else f"no model is called {name!r}"
        raise NotFoundError(wrong, remedy=f"name one of: {', '.join(sorted(models))}")

    def reload(self) -> None:
        """Forget what was loaded, so that the next look reads the files again."""
        with self._loading:
            self._loaded = None

    def look(self) -> tuple[dict[str, Model], list[LoopwrightError]]:
        """Every model as the files are now, and what is wrong with files that cannot be loaded.

        For who watches on: files are loaded again when any of the project's Python files has changed, and a file that
        is broken keeps the models that it declared before.
        """
        with self._loading:
            if self._loaded is not None and self._loaded.mark != self._mark():
                self._loaded = None
            loaded = self._load()
            kept = {name: had for name, had in self._known.items() if had[1] in loaded.faults}
            self._known = kept | loaded.models
            return {name: model for name, (model, _) in self._known.items()}, list(loaded.faults.values())

    def declared(self) -> list[DeclaredModel]:
        """What `look` last gave, as plain values."""
        return [
            DeclaredModel(name=name, file=file, declaration=_plain(model.declaration))
            for name, (model, file) in sorted(self._known.items())
        ]

    def contract_path(self, dataset: str) -> Path:
        return self.root / self.contracts / f"{dataset}.odcs.yaml"

    def archive(self, model: Model, storage: Storage) -> CodeVersion:
        """Put the project's code into the object store, under its digest."""
        data = archive_code(self.root)
        digest = digest_bytes(data)
        key = f"code/{digest}.zip"
        storage.create(key, data)
        commit, dirty = _git_state(self.root)
        return CodeVersion(
            key=key,
            digest=digest,
            module=self._load().models[model.name][1],
            commit=commit,
            dirty=dirty,
            python=platform.python_version(),
            environment=_environment_digest(),
        )

    def _load(self) -> _Loaded:
        with self._loading:
            if self._loaded is None:
                # Before the files are read: what changes meanwhile is seen as changed afterwards.
                loaded = _Loaded(mark=self._mark(), models={}, faults={})
                for path in self._files():
                    file = path.relative_to(self.root).as_posix()
                    try:
                        loaded.add(file, find_models(load_module(self.root, file)))
                    except LoopwrightError as error:
                        loaded.faults[file] = error
                self._loaded = loaded
            return self._loaded

    def _mark(self) -> str:
        """What changes when any of the project's Python files does: one that declares nothing may be imported."""
        facts = []
        for folder, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders if not name.startswith(".") and name not in SKIPPED_FOLDERS]
            for file in files:
                if file.endswith(".py"):
                    with suppress(FileNotFoundError):  # gone since it was listed
                        found = os.stat(f"{folder}/{file}")  # noqa: PTH116 - as cheap as it can be: asked every second
                        facts.append(f"{folder}/{file} {found.st_size} {found.st_mtime_ns}")
        return digest_all(sorted(facts))

    def _files(self) -> list[Path]:
        paths = sorted({path for pattern in self.patterns for path in self.root.glob(pattern) if path.is_file()})
        # A project's other files (setup.py, notebooks' exports) need not be importable: only those that name us count.
        return [path for path in paths if b"loopwright" in path.read_bytes()]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Loaded:
    """What one reading of the files gave: models with their file by name, faults by file."""

    mark: str
    models: dict[str, tuple[Model, str]]
    faults: dict[str, LoopwrightError]

    def add(self, file: str, found: dict[str, Model]) -> None:
        for name in found:
            if name in self.models:
                raise DeclarationError(
                    f"both {self.models[name][1]} and {file} declare a model {name!r}", remedy="rename one of them"
                )
        self.models.update({name: (model, file) for name, model in found.items()})


def _git_state(root: Path) -> tuple[str, bool]:
    def git(*words: str) -> str:
        try:
            done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""

    return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--untracked-files=no"))


def _environment_digest() -> str:
    return digest_all(sorted({f"{one.metadata['Name']}=={one.version}" for one in distributions()}))


def _plain(declaration: Declaration) -> dict[str, Any]:
    """The declaration's values; a rollout and a trigger say what kind they are, which their fields do not."""

    def kind(policy: object) -> dict[str, Any]:
        return {"kind": type(policy).__name__, **to_plain(policy)}

    plain: dict[str, Any] = to_plain(declaration)
    return plain | {"rollout": kind(declaration.rollout), "retrain": [kind(one) for one in declaration.retrain]}


def write_declared(storage: Storage, declared: Sequence[DeclaredModel]) -> None:
    """Tell the doors which models there are."""
    storage.put(_DECLARED, to_json(declared))


def read_declared(storage: Storage) -> list[DeclaredModel]:
    """Which models there are, as a worker last said; none where none has yet."""
    try:
        return from_json(storage.get(_DECLARED), list[DeclaredModel])
    except NotFoundError:
        return []


def put_records(storage: Storage, folder: str, records: dict[str, object]) -> dict[str, str]:
    """Each record as JSON below `folder`; file name to object key."""
    for name, record in records.items():
        storage.put(f"{folder}/{name}", to_json(record))
    return {name: f"{folder}/{name}" for name in records}


_DECLARED = "declared.json"
