"""What the governor learns of rows: suspect labels at once, and a backtest by a job that nobody waits for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from loopwright.core.clock import Clock
from loopwright.core.codec import from_json, from_plain
from loopwright.data.records import DatasetVersion
from loopwright.data.snapshot import version_key
from loopwright.declare import Declaration
from loopwright.errors import LoopwrightError, NotFoundError
from loopwright.ports.storage import Storage
from loopwright.registry.records import ModelVersion
from loopwright.retraining.facts import stage_of
from loopwright.retraining.labels import look_at_labels
from loopwright.retraining.records import (
    Backtest,
    BacktestReport,
    BacktestTask,
    LabelFacts,
    RetrainRequest,
    SourceState,
)
from loopwright.runs.jobs import Jobs, name_job
from loopwright.runs.service import Journal
from loopwright.training.records import Candidate

MOST = 50_000
"""Rows that a backtest learns from, and as many that it tests on."""

LIMIT = timedelta(seconds=60)
"""How long a backtest may take; what takes longer is cancelled, and the request goes on without."""

Code = Callable[[str], tuple[str, str]]
"""A model's code as it is now: the key of its archive in the object store, and the file in it that declares it."""


class Evidence:
    """Looks at a model's rows for the governor. Whatever cannot be looked at keeps no request waiting."""

    def __init__(self, jobs: Jobs, journal: Journal, storage: Storage, scratch: Path, clock: Clock, code: Code) -> None:
        self.jobs, self.journal, self.storage = jobs, journal, storage
        self.scratch, self.clock, self.code = scratch, clock, code
        self._labels: dict[str, tuple[tuple[str, int], LabelFacts | None]] = {}

    def labels(self, declaration: Declaration, champion: ModelVersion, source: SourceState) -> LabelFacts | None:
        """The facts of the labels that the champion has not learned from; the same rows are looked at once."""
        looked = (source.digest, champion.number)
        known = self._labels.get(declaration.name)
        if known is None or known[0] != looked:
            known = (looked, self._look(declaration, champion, source))
            self._labels[declaration.name] = known
        return known[1]

    def backtest(self, request: RetrainRequest, champion: ModelVersion, source: SourceState) -> Backtest:
        """The request's backtest as it stands: started now, still under way (no report yet), or reported."""
        had = request.backtest
        if had is None or had.version != champion.number:
            return self._start(request, champion, source)
        return had if had.report is not None else replace(had, report=self._report(had))

    def _look(self, declaration: Declaration, champion: ModelVersion, source: SourceState) -> LabelFacts | None:
        try:
            version = self._version(declaration.name, source.digest)
            learned = self._version(declaration.name, champion.dataset)
            if version is None:
                return None
            return look_at_labels(declaration, version, champion, learned, self.storage, self.scratch)
        except LoopwrightError:  # rows that cannot be read end the run itself, which says so
            return None

    def _version(self, dataset: str, digest: str) -> DatasetVersion | None:
        try:
            return from_json(self.storage.get(version_key(dataset, digest)), DatasetVersion)
        except NotFoundError:
            return None

    def _start(self, request: RetrainRequest, champion: ModelVersion, source: SourceState) -> Backtest:
        made = Backtest(
            version=champion.number, job=name_job(request.id, "backtest", champion.number), began=self.clock.now()
        )
        try:
            task = self._task(champion, source)
            if isinstance(task, str):
                return replace(made, report=BacktestReport(version=champion.number, trouble=task))
            code, module = self.code(request.model)
            handle = self.jobs.start(made.job, "backtest", request.model, task, code=code, module=module)
        except LoopwrightError as trouble:
            return replace(made, report=BacktestReport(version=champion.number, trouble=trouble.message))
        started = replace(made, handle=handle)
        return replace(started, report=self._report(started))

    def _task(self, champion: ModelVersion, source: SourceState) -> BacktestTask | str:
        """The job's task, or why there can be none."""
        found = stage_of(champion.run, "candidate", self.journal)
        if champion.origin != "trained" or not found:
            return f"with which settings version {champion.number} was trained is not known"
        version = self._version(champion.model, source.digest)
        if version is None:
            return f"the rows of {source.digest[:12]} are not kept"
        return BacktestTask(
            version=champion.number,
            folder=champion.folder,
            trained_until=champion.trained_until,
            trained_rows=champion.trained_rows,
            candidate=from_plain(found, Candidate),
            dataset=version,
            most=MOST,
        )

    def _report(self, had: Backtest) -> BacktestReport | None:
        try:
            report = self.jobs.look(had.job, had.handle, BacktestReport)
            late = report is None and self.clock.now() - had.began > LIMIT
            if late:
                self.jobs.compute.cancel(had.handle)
        except NotFoundError:  # another machine's worker runs it
            report, late = None, self.clock.now() - had.began > LIMIT
        except LoopwrightError as trouble:
            return BacktestReport(version=had.version, trouble=trouble.message)
        if late:
            return BacktestReport(version=had.version, trouble=f"it took longer than {LIMIT.seconds} seconds")
        return report
