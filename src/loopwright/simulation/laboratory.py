"""The platform that is simulated: the real rooms over a folder of their own, with jobs and host in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import polars as pl

from loopwright.bootstrap.job import run_job
from loopwright.bootstrap.platform import Platform
from loopwright.bootstrap.predictor import load_predictor
from loopwright.bundle.records import Reference
from loopwright.core.codec import from_plain, to_json, to_plain
from loopwright.data.records import DatasetVersion
from loopwright.data.snapshot import load_rows, snapshot
from loopwright.declare import Model
from loopwright.errors import JobError
from loopwright.ports.compute import Compute, JobDocument, JobKind, JobResult
from loopwright.ports.hosting import Hosting
from loopwright.ports.notifier import Notifier
from loopwright.ports.predictor import Predictor
from loopwright.project import Project
from loopwright.simulation.effects import shuffled
from loopwright.testing.hosting import InProcessHosting
from loopwright.testing.jobs import InProcessCompute
from loopwright.training.records import Candidate, RefitTask, TrainTask


@dataclass
class Laboratory(Platform):
    """A platform in `root` for one model, `model`. `broken` says how training is broken now, if it is."""

    model: Model
    broken: Callable[[], Literal["labels", "refit"] | None] = lambda: None
    training_seconds: float = 0.0

    @cached_property
    def project(self) -> Project:
        return _OneModel(self.root, self.settings.models, self.settings.contracts, self.model)

    @cached_property
    def compute(self) -> Compute:
        return InProcessCompute(self.storage, self._work)

    @cached_property
    def hosting(self) -> Hosting:
        return InProcessHosting(self.storage, self.load, self.home / "hosted")

    @property
    def destinations(self) -> dict[str, Notifier]:
        return {}

    def load(self, folder: Path) -> Predictor:
        """The bundle in `folder`, which was written here a moment ago."""
        return load_predictor(folder, verify=False, allow_pickle=self.settings.allow_pickle)

    def fit(self, name: str, rows: pl.DataFrame) -> str:
        """A model of `rows`, trained as the loop trains and fitted again on all: its bundle's object-store folder.

        Raises `JobError`.
        """
        dataset, empty = self._dataset(name, rows), f"beside/{name}/reference.json"
        self.storage.put(empty, to_json(Reference(rows=0, columns=())))
        task = TrainTask(candidate_id=name, run_id=name, dataset=dataset, folder=f"beside/{name}/candidate")
        candidate: Candidate = from_plain(self._beside(name, "train", task), Candidate)
        again = RefitTask(candidate=candidate, dataset=dataset, folder=f"beside/{name}/bundle", reference_key=empty)
        made: Candidate = from_plain(self._beside(name, "refit", again), Candidate)
        return made.folder

    def _beside(self, name: str, kind: JobKind, task: object) -> Any:
        code = self.project.archive(self.model, self.storage)  # again: the loop's retention knows no use for it
        document = JobDocument(
            id=f"{name}-{kind}",
            kind=kind,
            model=self.model.name,
            task=to_plain(task),
            code=code.key,
            module=code.module,
        )
        done = run_job(document, self.storage, self._folder(document), self.model)
        if done.error is not None:
            raise JobError(f"{name} could not be trained: {done.message}", remedy=done.remedy)
        return done.result

    def _work(self, document: JobDocument) -> JobResult:
        spoilt = {"labels": ("train", "refit"), "refit": ("refit",), None: ()}[self.broken()]
        if document.kind in spoilt:
            document = replace(document, task=document.task | {"dataset": to_plain(self._spoilt(document))})
        done = run_job(document, self.storage, self._folder(document), self.model)
        self.training_seconds += done.seconds
        return done

    def _spoilt(self, document: JobDocument) -> DatasetVersion:
        dataset: DatasetVersion = from_plain(document.task["dataset"], DatasetVersion)
        rows = load_rows(dataset, self.storage, self.home / "cache").collect()
        return self._dataset(f"spoilt-{document.id}", shuffled(rows, self.model.declaration.target, 7))

    def _dataset(self, name: str, rows: pl.DataFrame) -> DatasetVersion:
        path = self.home / "beside" / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows.write_parquet(path)
        return snapshot(
            name=self.model.name, source=str(path), root=self.root, storage=self.storage, scratch=self.home / "cache"
        )

    def _folder(self, document: JobDocument) -> Path:
        return self.home / "jobs" / document.id


class _OneModel(Project):
    """A project whose files declare `model`, among others perhaps; it alone is there, as it is given."""

    def __init__(self, root: Path, patterns: tuple[str, ...], contracts: str, model: Model) -> None:
        super().__init__(root, patterns, contracts)
        self._model = model

    def _load(self) -> Any:
        loaded = super()._load()
        found = loaded.models.get(self._model.name)
        loaded.models.clear()
        loaded.models[self._model.name] = (self._model, found[1] if found else "")
        loaded.faults.clear()
        return loaded
