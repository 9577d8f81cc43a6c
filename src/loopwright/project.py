"""The user's project on disk: which files declare models, their code as an archive, where contracts are kept."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from loopwright.bundle.code import archive_code, find_models, load_module
from loopwright.core.codec import to_json
from loopwright.core.digest import digest_all, digest_bytes
from loopwright.declare import Model
from loopwright.errors import DeclarationError, NotFoundError
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


class Project:
    """A folder with Python files that declare models."""

    def __init__(self, root: Path, patterns: tuple[str, ...], contracts: str) -> None:
        self.root = root.resolve()
        self.patterns, self.contracts = patterns, contracts
        self._models: dict[str, tuple[Model, str]] | None = None

    def models(self) -> dict[str, Model]:
        """Every model by name. Raises `DeclarationError` where a file cannot be loaded or two models share a name."""
        if self._models is None:
            self._models = self._load()
        return {name: model for name, (model, _) in self._models.items()}

    def model(self, name: str | None = None) -> Model:
        """The model called `name`; without one, the only one. Raises `NotFoundError` that lists what there is."""
        models = self.models()
        if not models:
            raise NotFoundError(
                f"no model is declared in {', '.join(self.patterns)} below this folder",
                remedy="`loopwright init` writes a first one; or set `models` in loopwright.toml",
            )
        if name is None and len(models) == 1:
            return next(iter(models.values()))
        if name is None or name not in models:
            wrong = "several models are declared" if name is None else f"no model is called {name!r}"
            raise NotFoundError(wrong, remedy=f"name one of: {', '.join(sorted(models))}")
        return models[name]

    def reload(self) -> None:
        """Forget what was loaded, so that the next look reads the files again."""
        self._models = None

    def contract_path(self, dataset: str) -> Path:
        return self.root / self.contracts / f"{dataset}.odcs.yaml"

    def archive(self, model: Model, storage: Storage) -> CodeVersion:
        """Put the project's code into the object store, under its digest."""
        data = archive_code(self.root)
        digest = digest_bytes(data)
        key = f"code/{digest}.zip"
        storage.create(key, data)
        self.models()
        assert self._models is not None
        commit, dirty = _git_state(self.root)
        return CodeVersion(
            key=key,
            digest=digest,
            module=self._models[model.name][1],
            commit=commit,
            dirty=dirty,
            python=platform.python_version(),
            environment=_environment_digest(),
        )

    def _load(self) -> dict[str, tuple[Model, str]]:
        found: dict[str, tuple[Model, str]] = {}
        for path in self._files():
            module = path.relative_to(self.root).as_posix()
            for name, model in find_models(load_module(self.root, module)).items():
                if name in found and found[name][1] != module:
                    raise DeclarationError(
                        f"both {found[name][1]} and {module} declare a model {name!r}", remedy="rename one of them"
                    )
                found[name] = (model, module)
        return found

    def _files(self) -> list[Path]:
        paths = sorted({path for pattern in self.patterns for path in self.root.glob(pattern) if path.is_file()})
        # A project's other files (setup.py, notebooks' exports) need not be importable: only those that name us count.
        return [path for path in paths if b"loopwright" in path.read_bytes()]


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


def put_records(storage: Storage, folder: str, records: dict[str, object]) -> dict[str, str]:
    """Each record as JSON below `folder`; file name to object key."""
    for name, record in records.items():
        storage.put(f"{folder}/{name}", to_json(record))
    return {name: f"{folder}/{name}" for name in records}
