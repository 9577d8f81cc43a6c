"""A project opened from a notebook or a script: the verbs of the command line, with records for answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopwright.batch import BatchReport, score
from loopwright.bootstrap.platform import Platform, open_platform
from loopwright.bootstrap.predictor import load_predictor
from loopwright.bootstrap.worker import Beat, Worker
from loopwright.bundle.read import read_manifest
from loopwright.errors import ConflictError, NotFoundError
from loopwright.ports.storage import fetch_folder
from loopwright.registry.records import ModelVersion
from loopwright.retraining.records import RetrainRequest
from loopwright.rollout.records import Rollout
from loopwright.runs.records import Run
from loopwright.traffic.records import EndpointRevision


class Session:
    """An open project. Use it as a context manager, or `close` it."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._worker: Worker | None = None

    @property
    def models(self) -> list[str]:
        """The names of the models that the project declares."""
        return sorted(self.platform.project.models())

    def run(self, model: str | None = None) -> Run:
        """Turn the loop once, here and now; how it ended is in the run's `status`, `summary` and `fault`."""
        declared = self.platform.project.model(model)
        submitted = self.platform.journal.submit(declared.name, cause="by hand", actor=self.platform.actor)
        try:
            self.worker.work(run_id=submitted.id)
        except KeyboardInterrupt:  # whoever asked for it by hand does not want it any more; `retry` would go on with it
            with suppress(ConflictError):  # it ended in the same moment
                self.platform.journal.cancel(submitted.id)
            raise
        self.tick()
        return self.platform.journal.get(submitted.id)

    def tick(self) -> Beat:
        """Do what is due: rollouts, monitors, triggers, notices."""
        return self.worker.tick()

    def retrain(
        self, model: str | None = None, *, reason: str = "asked for by hand", force: bool = False
    ) -> RetrainRequest:
        """Ask the governor for a retrain; it accepts or refuses with reasons. `force` skips all but one at a time."""
        declared = self.platform.project.model(model).declaration
        source = None if force else self.worker.source(declared)
        evidence = None if force else self.worker.evidence
        return self.platform.retraining.request(
            declared, actor=self.platform.actor, reason=reason, force=force, source=source, evidence=evidence
        )

    def approve_retrain(self, request: str) -> RetrainRequest:
        """Let a retrain request go on that waits for a person, and decide it. Raises `ConflictError` if it does not."""
        retraining = self.platform.retraining
        approved = retraining.approve(request, actor=self.platform.actor)
        declared = self.platform.project.model(approved.model).declaration
        retraining.tick({declared.name: declared}, self.worker.source, self.worker.evidence)
        return retraining.get(approved.id)

    def versions(self, model: str | None = None) -> list[ModelVersion]:
        """Versions, newest first."""
        return self.platform.registry.versions(model)

    def champion(self, model: str | None = None) -> ModelVersion:
        """The version that is live. Raises `NotFoundError`."""
        name = self.platform.project.model(model).name
        found = self.platform.rollouts.champion(name)
        if found is None:
            raise NotFoundError(f"{name} has no champion yet", remedy="run the loop first")
        return found

    def approve(self, model: str) -> Rollout:
        """Let the model's rollout begin, which waits for a person. Raises `NotFoundError` where none does."""
        waiting = self.platform.rollouts.active(model)
        if waiting is None:
            raise NotFoundError(f"no rollout of {model} waits for a person", remedy="run the loop first")
        return self.platform.rollouts.approve(waiting.id, actor=self.platform.actor)

    def promote(self, model: str, *, reason: str = "promoted by hand") -> Rollout:
        return self.platform.rollouts.promote(model, actor=self.platform.actor, reason=reason)

    def abort(self, model: str, *, reason: str = "aborted by hand") -> Rollout:
        return self.platform.rollouts.abort(model, actor=self.platform.actor, reason=reason)

    def rollback(self, model: str, *, reason: str = "rolled back by hand") -> EndpointRevision:
        return self.platform.rollouts.rollback(model, actor=self.platform.actor, reason=reason)

    def predict(
        self, rows: Mapping[str, Sequence[Any]] | Any, *, model: str | None = None, version: int | None = None
    ) -> dict[str, NDArray[np.generic]]:
        """Outputs by name for `rows` (columns, or a Polars or pandas frame), by the champion or a given version."""
        folder = self._bundle(model, version)
        columns = {name: list(rows[name]) for name in (rows if isinstance(rows, Mapping) else rows.columns)}
        return load_predictor(folder, allow_pickle=self.platform.settings.allow_pickle).predict(columns)

    def batch(
        self,
        source: str,
        output: Path | str,
        *,
        model: str | None = None,
        version: int | None = None,
        keep: tuple[str, ...] = (),
        progress: Callable[[str, float], None] = lambda text, done: None,
    ) -> BatchReport:
        """Score a source of any size into `output` (.parquet or .csv), streaming."""
        folder = self._bundle(model, version)
        return score(
            source,
            Path(output),
            root=self.platform.root,
            predictor=load_predictor(folder, allow_pickle=self.platform.settings.allow_pickle, threads=0),
            manifest=read_manifest(folder),
            clock=self.platform.clock,
            keep=keep,
            progress=progress,
        )

    @property
    def worker(self) -> Worker:
        if self._worker is None:
            self._worker = Worker(self.platform)
        return self._worker

    def close(self) -> None:
        self.platform.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _bundle(self, model: str | None, version: int | None) -> Path:
        name = self.platform.project.model(model).name
        found = self.platform.registry.get(name, version) if version else self.champion(name)
        return fetch_folder(self.platform.storage, found.folder, self.platform.home / "cache")


def open(project: Path | str = ".", *, environment: str | None = None, **settings: Any) -> Session:
    """Open the project in a folder; `settings` override loopwright.toml. Raises `SettingsError`."""
    return Session(open_platform(project, environment=environment, overrides=settings))
