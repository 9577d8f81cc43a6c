"""The worker: it works through runs, and it beats the tick that keeps everything else moving."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from loopwright.bootstrap.drift import look_at_rows
from loopwright.bootstrap.platform import Platform
from loopwright.bootstrap.quality import rollout_losses
from loopwright.core.event import Event
from loopwright.data.compaction import COPIES, compact
from loopwright.data.newness import SourceWatch
from loopwright.declare import Declaration, Model
from loopwright.errors import LoopwrightError, NotFoundError
from loopwright.loop import STAGES
from loopwright.monitoring.labels import watch_performance
from loopwright.ports.tracking import Tracking
from loopwright.project import DeclaredModel, write_declared
from loopwright.registry.projection import project_aliases, project_run
from loopwright.retraining.evidence import Evidence
from loopwright.retraining.records import RetrainRequest, SourceState
from loopwright.rollout import ledger
from loopwright.rollout.records import Rollout
from loopwright.runs.records import Claim, Run
from loopwright.runs.service import LeaseLostError
from loopwright.runs.stages import fault_of, run_stages
from loopwright.state.alone import alone
from loopwright.state.outbox import mark_told, untold

log = logging.getLogger("loopwright.worker")

SHOWN = (
    "run.succeeded",
    "run.refused",
    "run.failed",
    "run.cancelled",
    "version.registered",
    "rollout.stepped",
    "rollout.promoted",
    "rollout.aborted",
)
"""Events after which the tracking store is brought up to date."""

COMPACT_EVERY = timedelta(minutes=10)


@dataclass
class Beat:
    """What one tick did, a sentence each; `troubles` are errors that did not stop the rest of it."""

    done: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


class Worker:
    """Works for one platform. Several may, on several machines: the journal gives each run to one."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.name = f"{socket.gethostname()}/{os.getpid()}"
        self.stopping = threading.Event()
        self._watch = SourceWatch(platform.root, platform.storage, self._scratch, platform.clock)
        self._declared: list[DeclaredModel] | None = None
        self._logged: dict[str, str] = {}
        self._compacted: datetime | None = None
        platform.rollouts.losses = rollout_losses(platform, self._scratch)
        self._release_dead_workers()

    def work(self, *, run_id: str | None = None, only: str | None = None) -> Run | None:
        """Claim a run and work through it; None where none is due. Errors of the run end in the journal, not here."""
        claim = self.platform.journal.claim(self.name, run_id=run_id)
        if claim is None:
            return None
        try:
            given = self._given(claim)
        except Exception as error:  # noqa: BLE001 - the user's files are loaded there: whatever they raise ends the run
            fault = fault_of(error)
            with suppress(LeaseLostError):  # cancelled meanwhile
                self.platform.journal.finish(claim, "failed", summary=fault.message, fault=fault)
            return self.platform.journal.get(claim.run.id)
        try:
            return run_stages(self.platform.journal, claim, STAGES, given, stopping=self.stopping, only=only)
        except LoopwrightError:
            return self.platform.journal.get(claim.run.id)
        except Exception:
            log.exception("run %s failed unexpectedly", claim.run.id)
            return self.platform.journal.get(claim.run.id)

    def tick(self) -> Beat:
        """Look at everything that is due and do it: rollouts, monitors, triggers, MLflow, retention, notices."""
        platform, beat = self.platform, Beat()
        with self._turn(beat, "rollouts"):
            for rollout in platform.rollouts.tick():
                beat.done.append(_moved(rollout))
        for name, declaration in self._declarations(beat).items():
            with self._turn(beat, f"quality of {name}"):
                for finding in watch_performance(platform.monitors, declaration, scratch=self._scratch):
                    beat.done.append(f"{name}, {finding.kind}: {finding.decision.because()}")
            with self._turn(beat, f"monitors of {name}"):
                found = platform.monitors.tick({name: declaration}, lambda one: self.source(one).digest)
                found += look_at_rows(platform, declaration, found) if declaration.drift.joint else []
                beat.done += [f"{name}, {finding.kind}: {finding.decision.because()}" for finding in found]
            with self._turn(beat, f"triggers of {name}"):
                for request in platform.retraining.tick({name: declaration}, self.source, self.evidence):
                    beat.done.append(_answered(request))
        with self._turn(beat, "tracking"):
            self.show()
        with self._turn(beat, "compaction"):
            beat.done += self._compact()
        with self._turn(beat, "retention"):
            swept = platform.retention.tick()
            if swept is not None and swept.removed:
                beat.done.append(
                    f"retention: {sum(swept.removed.values())} objects were needed by nothing, and are gone"
                )
        with self._turn(beat, "notices"):
            platform.alerting.tell(platform.destinations)
        return beat

    def _compact(self) -> list[str]:
        """Put captures together, unless that was done in the last ten minutes or another process is at it."""
        platform, now = self.platform, self.platform.clock.now()
        if self._compacted is not None and now - self._compacted < COMPACT_EVERY:
            return []
        with alone(platform.state, "compaction") as ours:
            if not ours:
                return []
            self._compacted = now
            self._scratch.mkdir(parents=True, exist_ok=True)
            for left in self._scratch.glob(f"{COPIES}*"):  # by one that was killed: nobody else is at it
                shutil.rmtree(left, ignore_errors=True)
            counts = {
                name: compact(platform.storage, name, now, self._scratch) for name in ledger.endpoints(platform.storage)
            }
        return [f"{name}: captures of {hours} hours were put together" for name, hours in counts.items() if hours]

    def show(self) -> None:
        """Bring the tracking store up to date with what has happened since the last time, unless another process does.

        What cannot be shown now keeps nothing else waiting; the first trouble is raised at the end.
        """
        platform = self.platform
        if not untold(platform.state, SHOWN, limit=1) or platform.tracking is None:
            return
        with alone(platform.state, "tracking") as ours:  # two that look for our id and then create make two
            if ours:
                self._show(platform.tracking)

    def _show(self, tracking: Tracking) -> None:
        troubles: dict[str, LoopwrightError] = {}
        for (model, run), events in _by_subject(untold(self.platform.state, SHOWN)).items():
            if self.stopping.is_set():
                return  # MLflow takes its time; what it has not been told is told after the next start
            if run is None and model in troubles:
                continue  # an alias comes after the version that it names
            try:
                self._show_one(model, run, tracking)
            except NotFoundError as gone:
                log.warning("%s", gone)  # collected or deleted: it will not come back
            except LoopwrightError as trouble:
                troubles.setdefault(model, trouble)
                continue
            for event in events:
                mark_told(self.platform.state, event, self.platform.clock.now())
        if troubles:
            raise next(iter(troubles.values()))

    def _show_one(self, model: str, run: str | None, tracking: Tracking) -> None:
        platform = self.platform
        if run is not None:
            project_run(
                run, journal=platform.journal, storage=platform.storage, tracking=tracking, scratch=self._scratch
            )
        else:
            versions = {one.number: one for one in platform.registry.versions(model)}
            project_aliases(model, platform.rollouts.aliases(model), versions, tracking=tracking)

    def source(self, declaration: Declaration) -> SourceState:
        """The declaration's source as it stands; one that has not changed is not read again. Raises `SourceError`."""
        version, newest = self._watch.look(declaration)
        return SourceState(digest=version.digest, rows=version.rows, newest=newest)

    @cached_property
    def evidence(self) -> Evidence:
        """What looks at rows for the governor."""
        platform = self.platform

        def code(model: str) -> tuple[str, str]:
            archived = platform.project.archive(platform.project.model(model), platform.storage)
            return archived.key, archived.module

        return Evidence(platform.jobs, platform.journal, platform.storage, self._scratch, platform.clock, code)

    def _declarations(self, beat: Beat) -> dict[str, Declaration]:
        """What the project's files declare now; the doors are told when it changes."""
        models: dict[str, Model] = {}
        with self._turn(beat, "models"):
            models, faults = self.platform.project.look()
            beat.troubles += [f"models: {fault}" for fault in faults]
            if (declared := self.platform.project.declared()) != self._declared:
                write_declared(self.platform.storage, declared)
                self._declared = declared
        return {name: model.declaration for name, model in models.items()}

    @contextmanager
    def _turn(self, beat: Beat, what: str) -> Iterator[None]:
        """One room's trouble must not keep the others from their turn. An unexpected one is logged in full, once."""
        try:
            yield
        except LoopwrightError as error:
            beat.troubles.append(f"{what}: {error}")
        except Exception as error:
            said = f"{what}: {type(error).__name__}: {error}"
            beat.troubles.append(said)
            if self._logged.get(what) != said:
                self._logged[what] = said
                log.exception("%s", what)

    @property
    def _scratch(self) -> Path:
        return self.platform.home / "cache"

    def _given(self, claim: Claim) -> dict[str, Any]:
        platform = self.platform
        platform.project.reload()
        return {
            "model": platform.project.model(claim.run.model),
            "project": platform.project,
            "storage": platform.storage,
            "scratch": self._scratch,
            "jobs": platform.jobs,
            "registry": platform.registry,
            "rollouts": platform.rollouts,
            "hosting": platform.hosting,
            "clock": platform.clock,
            "core_hour": platform.settings.core_hour,
        }

    def _release_dead_workers(self) -> None:
        host = socket.gethostname()
        for run in self.platform.journal.runs(statuses=("running",)):
            at, _, pid = (run.worker or "").partition("/")
            if run.worker and at == host and not _alive(int(pid)):
                self.platform.journal.abandon(run.worker)


def _by_subject(events: Sequence[Event]) -> dict[tuple[str, str | None], list[Event]]:
    """Events by what is to be shown: a model's run, or (None) its aliases, which come last."""
    found: dict[tuple[str, str | None], list[Event]] = {}
    for event in sorted(events, key=lambda event: event.kind.startswith("rollout.")):
        run = event.subject if event.kind.startswith("run.") else event.data.get("run")
        found.setdefault((event.model, run), []).append(event)
    return found


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _moved(rollout: Rollout) -> str:
    """Where a rollout stands, and why it ended where it was stopped."""
    who = f"{rollout.model}, version {rollout.version}"
    if rollout.status == "running":
        return f"{who} takes {rollout.plan.steps[rollout.step]} % of the traffic"
    failed = "; ".join(reason.text for reason in rollout.reasons if reason.finding == "fail")
    return f"{who} is {rollout.status}" + (f": {failed}" if failed else "")


def _answered(request: RetrainRequest) -> str:
    """What was asked for, and the governor's word on it."""
    said = f"{request.model}: {request.trigger.replace('_', ' ')} asked for a retrain, which is {request.status}"
    return f"{said}: {request.decision.because()}" if request.status == "refused" and request.decision else said
