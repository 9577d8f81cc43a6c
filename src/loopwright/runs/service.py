"""The journal: submit, claim, work stage by stage, end; safe against dead and slow workers, and against two at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.engine import Connection, RowMapping

from loopwright.core.clock import Clock
from loopwright.core.codec import to_plain
from loopwright.core.event import Event
from loopwright.core.ids import derived_id, new_id
from loopwright.errors import ConflictError, NotFoundError
from loopwright.runs.records import ENDED, Claim, Fault, Run, RunStatus, StageRecord
from loopwright.runs.store import RUNS, STAGES, run_of, stage_of
from loopwright.state.engine import State, insert_once, take_turns
from loopwright.state.outbox import emit

DEATHS = 5
"""How many workers may die on a run before it is given up."""


class LeaseLostError(ConflictError):
    """Another worker has taken the run over, or it was cancelled; this one must let go of it."""


class TakenOverError(LeaseLostError):
    """Another worker goes on with the very same attempt: with its stages, and with the job that runs."""


class Journal:
    """What runs there are and how far each is. Every method is one short transaction."""

    def __init__(self, state: State, clock: Clock, *, lease_seconds: float = 30.0) -> None:
        self.state, self.clock = state, clock
        self.lease = timedelta(seconds=lease_seconds)

    # Asking

    def get(self, run_id: str) -> Run:
        """Raises `NotFoundError`."""
        with self.state.read() as connection:
            row = connection.execute(select(RUNS).where(RUNS.c.id == run_id)).mappings().first()
        if row is None:
            raise NotFoundError(f"there is no run {run_id}", remedy="`loopwright runs list` shows them")
        return run_of(row)

    def runs(
        self, *, model: str | None = None, statuses: Sequence[RunStatus] = (), limit: int = 50, offset: int = 0
    ) -> list[Run]:
        """Runs, newest first."""
        query = select(RUNS).order_by(RUNS.c.created.desc(), RUNS.c.id.desc()).limit(limit).offset(offset)
        if model is not None:
            query = query.where(RUNS.c.model == model)
        if statuses:
            query = query.where(RUNS.c.status.in_(statuses))
        with self.state.read() as connection:
            return [run_of(row) for row in connection.execute(query).mappings()]

    def count(self, *, model: str | None = None, statuses: Sequence[RunStatus] = ()) -> int:
        """How many runs there are."""
        query = select(func.count()).select_from(RUNS)
        if model is not None:
            query = query.where(RUNS.c.model == model)
        if statuses:
            query = query.where(RUNS.c.status.in_(statuses))
        with self.state.read() as connection:
            return int(connection.execute(query).scalar_one())

    def stages(self, run_id: str) -> list[StageRecord]:
        """The run's stages so far, in their order."""
        query = select(STAGES).where(STAGES.c.run == run_id).order_by(STAGES.c.place)
        with self.state.read() as connection:
            return [stage_of(row) for row in connection.execute(query).mappings()]

    def finished(self, stage: str, *, model: str | None = None, limit: int = 50) -> list[StageRecord]:
        """What the latest runs made in the stage of that name, newest first."""
        query = select(STAGES).join(RUNS, RUNS.c.id == STAGES.c.run).order_by(STAGES.c.finished.desc()).limit(limit)
        query = query.where(STAGES.c.name == stage, STAGES.c.status == "succeeded")
        if model is not None:
            query = query.where(RUNS.c.model == model)
        with self.state.read() as connection:
            return [stage_of(row) for row in connection.execute(query).mappings()]

    def models(self) -> list[str]:
        """The names of all models that ever had a run."""
        with self.state.read() as connection:
            return list(connection.execute(select(RUNS.c.model).distinct().order_by(RUNS.c.model)).scalars())

    # Ordering work

    def submit(
        self, model: str, *, cause: str, actor: str, run_id: str | None = None, data: dict[str, Any] | None = None
    ) -> Run:
        """Queue a run. The same `run_id` again gives the run that is there."""
        now = self.clock.now()
        values = {
            "id": run_id or new_id("run", now),
            "model": model,
            "status": "queued",
            "cause": cause,
            "actor": actor,
            "created": now,
            "data": data or {},
        }
        with self.state.write() as connection:
            if insert_once(connection, RUNS, values):
                self._tell(connection, values["id"], model, "run.queued", 1, cause=cause, actor=actor)
        return self.get(str(values["id"]))

    def cancel(self, run_id: str) -> Run:
        """Cancel a run that has not ended; its worker notices at its next step. Raises `ConflictError` if it has."""
        run = self.get(run_id)
        with self.state.write() as connection:
            changed = connection.execute(
                update(RUNS)
                .where(RUNS.c.id == run_id, RUNS.c.status.not_in(ENDED))
                .values(status="cancelled", finished=self.clock.now(), lease_until=None, fence=RUNS.c.fence + 1)
            )
            if changed.rowcount == 0:
                raise ConflictError(f"run {run_id} has already {_ended(run)}", remedy="nothing was changed")
            self._tell(connection, run_id, run.model, "run.cancelled", run.attempt)
        return self.get(run_id)

    def retry(self, run_id: str) -> Run:
        """Queue an ended run again: finished stages keep their results. Raises `ConflictError` unless it broke."""
        run = self.get(run_id)
        data = {name: value for name, value in run.data.items() if name != "deaths"}
        fresh = {"status": "queued", "finished": None, "fault": None, "lease_until": None, "data": data}
        with self.state.write() as connection:
            changed = connection.execute(
                update(RUNS)
                .where(RUNS.c.id == run_id, RUNS.c.status.in_(("failed", "cancelled")))
                .values(**fresh, attempt=RUNS.c.attempt + 1)
            )
            if changed.rowcount == 0:
                raise ConflictError(
                    f"run {run_id} has {_ended(run)}, so there is nothing to retry",
                    remedy=f"start another: `loopwright run {run.model}`",
                )
            connection.execute(delete(STAGES).where(STAGES.c.run == run_id, STAGES.c.status != "succeeded"))
            self._tell(connection, run_id, run.model, "run.queued", run.attempt + 1, cause="retry")
        return self.get(run_id)

    # Working

    def claim(self, worker: str, *, run_id: str | None = None) -> Claim | None:
        """Take the oldest run that waits, or whose worker has died; never a second one of the same model."""
        now = self.clock.now()
        abandoned = and_(RUNS.c.status == "running", RUNS.c.lease_until < now)
        query = select(RUNS).where(or_(RUNS.c.status == "queued", abandoned)).order_by(RUNS.c.created, RUNS.c.id)
        busy = select(RUNS.c.model).where(RUNS.c.status == "running", RUNS.c.lease_until >= now)
        query = query.where(RUNS.c.model.not_in(busy))
        if run_id is not None:
            query = query.where(RUNS.c.id == run_id)
        with self.state.write() as connection:
            take_turns(connection, "claim")
            row = connection.execute(query.limit(1)).mappings().first()
            if row is None:
                return None
            deaths = row["data"].get("deaths", 0) + (row["status"] == "running")
            if deaths > DEATHS:
                self._give_up(connection, row, deaths)
                return None
            fence = row["fence"] + 1
            started = row["started"] or now
            data = row["data"] | ({"deaths": deaths} if deaths else {})
            values = {"status": "running", "worker": worker, "fence": fence, "started": started, "data": data}
            connection.execute(
                update(RUNS).where(RUNS.c.id == row["id"]).values(**values, lease_until=now + self.lease)
            )
            self._tell(connection, row["id"], row["model"], "run.claimed", fence, worker=worker)
        return Claim(run=self.get(row["id"]), worker=worker, fence=fence)

    def abandon(self, worker: str) -> int:
        """End the leases of a worker known to be dead, so that its runs need not wait for them to run out."""
        mine = and_(RUNS.c.worker == worker, RUNS.c.status == "running")
        with self.state.write() as connection:
            past = self.clock.now() - timedelta(seconds=1)
            return int(connection.execute(update(RUNS).where(mine).values(lease_until=past)).rowcount)

    def renew(self, claim: Claim) -> None:
        """Hold on for another lease. Raises `LeaseLostError`."""
        with self.state.write() as connection:
            self._guarded(connection, claim, lease_until=self.clock.now() + self.lease)

    def begin_stage(self, claim: Claim, name: str, place: int) -> StageRecord | None:
        """Start a stage; the finished record where it was done before. Raises `LeaseLostError`."""
        now = self.clock.now()
        with self.state.write() as connection:
            self._guarded(connection, claim, lease_until=now + self.lease)
            here = and_(STAGES.c.run == claim.run.id, STAGES.c.name == name)
            row = connection.execute(select(STAGES).where(here)).mappings().first()
            if row is not None and row["status"] == "succeeded":
                return stage_of(row)
            fresh = {"status": "running", "started": now, "finished": None, "fault": None, "progress": "", "done": 0.0}
            if not insert_once(connection, STAGES, {"run": claim.run.id, "name": name, "place": place, **fresh}):
                connection.execute(update(STAGES).where(here).values(**fresh))
        return None

    def report(self, claim: Claim, name: str, text: str, done: float) -> None:
        """Say how far a stage is, and hold on. Raises `LeaseLostError`."""
        with self.state.write() as connection:
            self._guarded(connection, claim, lease_until=self.clock.now() + self.lease)
            here = and_(STAGES.c.run == claim.run.id, STAGES.c.name == name)
            connection.execute(update(STAGES).where(here).values(progress=text, done=done))

    def finish_stage(self, claim: Claim, name: str, result: Any) -> None:
        """Keep what a stage made. Raises `LeaseLostError`, and keeps nothing, where the claim no longer holds."""
        values = {"status": "succeeded", "result": to_plain(result), "finished": self.clock.now(), "done": 1.0}
        self._end_stage(claim, name, values, "stage.finished")

    def fail_stage(self, claim: Claim, name: str, fault: Fault) -> None:
        """Keep why a stage failed. Raises `LeaseLostError`."""
        values = {"status": "failed", "fault": to_plain(fault), "finished": self.clock.now()}
        self._end_stage(claim, name, values, "stage.failed")

    def finish(self, claim: Claim, status: RunStatus, *, summary: str = "", fault: Fault | None = None) -> Run:
        """End the run. Raises `LeaseLostError`."""
        values = {"status": status, "summary": summary, "finished": self.clock.now(), "lease_until": None}
        with self.state.write() as connection:
            self._guarded(connection, claim, **values, fault=to_plain(fault) if fault else None)
            self._tell(connection, claim.run.id, claim.run.model, f"run.{status}", claim.fence, summary=summary)
        return self.get(claim.run.id)

    def release(self, claim: Claim) -> None:
        """Put the run back for the next worker, its finished stages kept: what an orderly stop does."""
        with self.state.write() as connection:
            self._guarded(connection, claim, status="queued", lease_until=None)

    def _give_up(self, connection: Connection, row: RowMapping, deaths: int) -> None:
        """End a run that takes every worker down with it."""
        text = f"{deaths} workers died while they worked on this run"
        remedy = "look at the machine's memory and at the last stage's log; then `loopwright run --retry`"
        fault = to_plain(Fault(error="JobError", message=text, remedy=remedy))
        values = {"status": "failed", "summary": text, "fault": fault, "finished": self.clock.now()}
        ended = update(RUNS).where(RUNS.c.id == row["id"])
        connection.execute(ended.values(**values, lease_until=None, fence=RUNS.c.fence + 1))
        self._tell(connection, row["id"], row["model"], "run.failed", row["fence"] + 1, summary=text)

    def _end_stage(self, claim: Claim, name: str, values: dict[str, Any], kind: str) -> None:
        with self.state.write() as connection:
            self._guarded(connection, claim, lease_until=self.clock.now() + self.lease)
            here = and_(STAGES.c.run == claim.run.id, STAGES.c.name == name)
            connection.execute(update(STAGES).where(here).values(**values))
            self._tell(connection, claim.run.id, claim.run.model, kind, claim.fence, stage=name)

    def _guarded(self, connection: Connection, claim: Claim, **values: Any) -> None:
        held = and_(RUNS.c.id == claim.run.id, RUNS.c.fence == claim.fence, RUNS.c.status == "running")
        if connection.execute(update(RUNS).where(held).values(**values)).rowcount == 0:
            query = select(RUNS.c.id).where(RUNS.c.id == claim.run.id, RUNS.c.attempt == claim.run.attempt)
            goes_on = connection.execute(query.where(RUNS.c.status.not_in(ENDED))).first() is not None
            raise (TakenOverError if goes_on else LeaseLostError)(
                f"run {claim.run.id} is no longer held by {claim.worker}",
                remedy="another worker has taken it over" if goes_on else "it has ended, or was cancelled",
            )

    def _tell(self, connection: Connection, run: Any, model: str, kind: str, turn: int, **data: Any) -> None:
        event_id = derived_id("event", run, kind, turn, data.get("stage", ""))
        emit(connection, Event(id=event_id, kind=kind, subject=run, model=model, at=self.clock.now(), data=data))


def _ended(run: Run) -> str:
    return {"succeeded": "succeeded", "refused": "been refused", "failed": "failed", "cancelled": "been cancelled"}.get(
        run.status, f"status {run.status}"
    )
