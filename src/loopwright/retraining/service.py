"""Retraining: triggers make requests, the governor decides them, and an accepted one becomes a run, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import select, update
from sqlalchemy.engine import Connection

from loopwright.core.clock import Clock
from loopwright.core.codec import to_plain
from loopwright.core.decision import Decision, Reason
from loopwright.core.event import Event
from loopwright.core.ids import derived_id
from loopwright.declare import Declaration
from loopwright.errors import ConflictError, NotFoundError
from loopwright.monitoring.store import findings
from loopwright.policies.retraining import Decay, Drift, NewData, Schedule
from loopwright.registry.records import ModelVersion
from loopwright.registry.service import Registry
from loopwright.retraining.approvals import watch_approvals
from loopwright.retraining.facts import dataset_of, look_around
from loopwright.retraining.records import (
    Backtest,
    BreakerReset,
    GovernorState,
    LabelFacts,
    RequestStatus,
    RetrainRequest,
    RetrainTrigger,
    SourceState,
)
from loopwright.retraining.rules import clear, govern, status_after
from loopwright.retraining.store import BREAKERS, REQUESTS, SCHEDULES, request_of
from loopwright.retraining.triggers import by_decay, by_drift, by_hand, by_new_data, by_schedule
from loopwright.retraining.worth import wants_backtest
from loopwright.rollout.service import Rollouts
from loopwright.runs.records import ENDED
from loopwright.runs.service import Journal
from loopwright.runs.store import RUNS
from loopwright.state.engine import State, insert_once, take_turns
from loopwright.state.outbox import emit

PeekSource = Callable[[Declaration], SourceState]
"""Looks at a declaration's source; called only where a trigger or the governor needs to know."""


class LooksAtRows(Protocol):
    """What looks at rows for the governor: `evidence.Evidence`, handed in by who may load what it needs."""

    def labels(self, declaration: Declaration, champion: ModelVersion, source: SourceState) -> LabelFacts | None: ...

    def backtest(self, request: RetrainRequest, champion: ModelVersion, source: SourceState) -> Backtest: ...


class Retraining:
    """Requests to train again, by model."""

    def __init__(self, state: State, journal: Journal, registry: Registry, rollouts: Rollouts, clock: Clock) -> None:
        self.state, self.journal, self.registry, self.rollouts, self.clock = state, journal, registry, rollouts, clock

    # Asking

    def get(self, request_id: str) -> RetrainRequest:
        """Raises `NotFoundError`."""
        with self.state.read() as connection:
            row = connection.execute(select(REQUESTS).where(REQUESTS.c.id == request_id)).mappings().first()
        if row is None:
            raise NotFoundError(f"there is no request {request_id}", remedy="`loopwright monitor requests` shows them")
        return request_of(row)

    def requests(
        self,
        model: str | None = None,
        *,
        statuses: tuple[RequestStatus, ...] = (),
        trigger: RetrainTrigger | None = None,
        limit: int = 50,
    ) -> list[RetrainRequest]:
        """Requests, newest first."""
        query = select(REQUESTS).order_by(REQUESTS.c.requested.desc(), REQUESTS.c.id.desc()).limit(limit)
        if model is not None:
            query = query.where(REQUESTS.c.model == model)
        if statuses:
            query = query.where(REQUESTS.c.status.in_(statuses))
        if trigger is not None:
            query = query.where(REQUESTS.c.trigger == trigger)
        with self.state.read() as connection:
            return [request_of(row) for row in connection.execute(query).mappings()]

    # Moving

    def request(
        self,
        declaration: Declaration,
        *,
        actor: str,
        reason: str = "asked for by hand",
        force: bool = False,
        source: SourceState | None = None,
        evidence: LooksAtRows | None = None,
    ) -> RetrainRequest:
        """Ask by hand; decided at once. `force` skips all rules but one run at a time."""
        asked = self.ask(declaration.name, actor=actor, reason=reason, force=force)
        return self._decide(asked, declaration, self.rollouts.champion(declaration.name), source, evidence)

    def ask(self, model: str, *, actor: str, reason: str = "asked for by hand", force: bool = False) -> RetrainRequest:
        """Ask by hand where the model's declaration is not at hand; the next tick that has it decides."""
        champion = self.rollouts.champion(model)
        now = self.clock.now()
        asked = by_hand(model, actor=actor, reason=reason, champion=champion, now=now, force=force)
        self._ask(asked)
        return self.get(asked.id)

    def approve(self, request_id: str, *, actor: str) -> RetrainRequest:
        """Let a request go on that waits for a person; the next tick decides the rest.

        Where a newer one has overtaken it, that one is approved. Raises `NotFoundError` and `ConflictError`.
        """
        asked = self.get(request_id)
        if asked.decision is not None and any(reason.rule == "overtaken" for reason in asked.decision.failures):
            same = self.requests(asked.model, statuses=("open",), trigger=asked.trigger, limit=1)
            asked = next(iter(same), asked)
        if not asked.waits_for_approval:
            text = f"{asked.id} is {asked.status}: {asked.why()}"
            raise ConflictError(f"{text}; it waits for nobody's approval", remedy="`loopwright monitor requests`")
        with self.state.write() as connection:
            here = (REQUESTS.c.id == asked.id) & (REQUESTS.c.status == "open")
            connection.execute(update(REQUESTS).where(here).values(approved=self.clock.now(), approved_by=actor))
            self._tell(connection, asked, "approved", f"by {actor}")
        return self.get(asked.id)

    def reset_breaker(self, model: str, *, actor: str) -> BreakerReset:
        """Forgive the runs that have failed or were refused until now."""
        made = BreakerReset(model=model, reset=self.clock.now(), actor=actor)
        values = {"reset": made.reset, "actor": actor}
        with self.state.write() as connection:
            if not insert_once(connection, BREAKERS, {"model": model} | values):
                connection.execute(update(BREAKERS).where(BREAKERS.c.model == model).values(**values))
        return made

    def tick(
        self,
        declarations: Mapping[str, Declaration],
        peek_source: PeekSource,
        evidence: LooksAtRows | None = None,
    ) -> list[RetrainRequest]:
        """Collect what the triggers ask for, decide what is open, start what was accepted; the requests that moved.

        One model's trouble does not keep the others from their turn; the first trouble is raised at the end.
        """
        moved: list[RetrainRequest] = []
        troubles: list[Exception] = []
        self._start_accepted()
        for declaration in declarations.values():
            try:
                moved += self._tend(declaration, peek_source, evidence)
            except Exception as trouble:  # noqa: BLE001 - whatever it is, the others have their turn; it is raised at the end
                troubles.append(trouble)
            try:  # of its own: who waits for a person is told though the source is away
                self._watch(declaration)
            except Exception as trouble:  # noqa: BLE001 - as above
                troubles.append(trouble)
        if troubles:
            raise troubles[0]
        return moved

    def _tend(
        self, declaration: Declaration, peek_source: PeekSource, evidence: LooksAtRows | None
    ) -> Iterator[RetrainRequest]:
        model = declaration.name
        champion = self.rollouts.champion(model)
        watched = any(isinstance(trigger, NewData) for trigger in declaration.retrain)
        source = peek_source(declaration) if watched else None
        for asked in self._triggered(declaration, champion, source):
            self._ask(asked)
        for waiting in reversed(self.requests(model, statuses=("open",))):
            source = source or peek_source(declaration)
            decided = self._decide(waiting, declaration, champion, source, evidence)
            if decided.status != "open":
                yield decided

    def _watch(self, declaration: Declaration) -> None:
        waiting = self.requests(declaration.name, statuses=("open",))
        rollout = self.rollouts.active(declaration.name)
        watch_approvals(self.state, declaration, waiting, rollout, self.clock.now())

    def _triggered(
        self, declaration: Declaration, champion: ModelVersion | None, source: SourceState | None
    ) -> Iterator[RetrainRequest]:
        model, now = declaration.name, self.clock.now()
        for trigger in declaration.retrain:
            asked: RetrainRequest | None = None
            if isinstance(trigger, NewData) and source is not None:
                asked = by_new_data(model, trigger, source, champion, self._rows_of(champion), now)
            elif isinstance(trigger, Schedule):
                seen = self._seen(model, trigger.cron)
                asked = by_schedule(model, trigger.cron, seen, champion, now)
            elif isinstance(trigger, Drift) and champion is not None:
                failed = findings(
                    self.state, model=model, version=champion.number, kind="drift", failed_only=True, limit=1
                )
                asked = by_drift(failed[0], champion, now) if failed else None
            elif isinstance(trigger, Decay) and champion is not None:
                failed = findings(
                    self.state, model=model, version=champion.number, kind="performance", failed_only=True, limit=1
                )
                asked = by_decay(failed[0], champion, now) if failed else None
            if asked is not None:
                yield asked

    def _ask(self, asked: RetrainRequest) -> None:
        """Write the request down, once; an open one of the same trigger is overtaken by it, unless it was approved.

        What has been begun for the one overtaken goes on for this one, or in a stream of causes none would ever be
        looked at to the end.
        """
        with self.state.write() as connection:
            same = (REQUESTS.c.model == asked.model) & (REQUESTS.c.trigger == asked.trigger)
            still = same & (REQUESTS.c.status == "open") & (REQUESTS.c.id != asked.id) & REQUESTS.c.approved.is_(None)
            found = connection.execute(select(REQUESTS).where(still).order_by(REQUESTS.c.requested)).mappings().all()
            older = [request_of(row) for row in found]
            begun = next((one.backtest for one in reversed(older) if one.backtest is not None), None)
            values = to_plain(replace(asked, backtest=begun)) | {"requested": asked.requested}
            if not insert_once(connection, REQUESTS, values):
                return
            self._tell(connection, asked, "requested", asked.reason)
            for one in older:
                text = f"overtaken by {asked.id}: {asked.reason}"
                said = Decision(passed=False, reasons=(Reason(rule="overtaken", finding="fail", text=text),))
                self._write_decision(connection, one, said, one.backtest)

    def _decide(
        self,
        request: RetrainRequest,
        declaration: Declaration,
        champion: ModelVersion | None,
        source: SourceState | None,
        evidence: LooksAtRows | None,
    ) -> RetrainRequest:
        state = self._facts(declaration, champion, source)
        backtest = request.backtest
        if evidence is not None and champion is not None and source is not None and clear(request, state):
            state = replace(state, can_backtest=True, labels=evidence.labels(declaration, champion, source))
            if wants_backtest(request, state.policy):
                backtest = evidence.backtest(request, champion, source)
                state = replace(state, backtest=backtest.report)
        decision = govern(request, state)
        if decision == request.decision and backtest == request.backtest:
            return request
        with self.state.write() as connection:
            take_turns(connection, "retraining")
            if decision.passed and self._moved_on(connection, request.model, state):
                return request
            self._write_decision(connection, request, decision, backtest)
        self._start_accepted()
        return self.get(request.id)

    def _write_decision(
        self, connection: Connection, request: RetrainRequest, decision: Decision, backtest: Backtest | None
    ) -> None:
        status = status_after(decision)
        values: dict[str, Any] = {"status": status, "decision": to_plain(decision), "decided": self.clock.now()}
        values["backtest"] = to_plain(backtest)
        if status == "accepted":
            values["run"] = derived_id("run", request.id)
        still_open = (REQUESTS.c.id == request.id) & (REQUESTS.c.status == "open")
        changed = connection.execute(update(REQUESTS).where(still_open).values(**values)).rowcount
        if changed and status != "open":
            self._tell(connection, request, status, decision.because())
        waits = replace(request, decision=decision)
        if changed and waits.waits_for_approval and not request.waits_for_approval:
            self._tell(connection, request, "awaits_approval", waits.why())

    def _start_accepted(self) -> None:
        """Queue the run of every accepted request; its id follows from the request, so a crash here loses nothing."""
        query = select(REQUESTS).where(_COMING).order_by(REQUESTS.c.requested)
        with self.state.read() as connection:
            accepted = [request_of(row) for row in connection.execute(query).mappings()]
        for request in accepted:
            self.journal.submit(
                request.model,
                cause=f"{request.trigger}: {request.reason}",
                actor=request.actor,
                run_id=request.run,
                data={"request": request.id},
            )
            with self.state.write() as connection:
                here = REQUESTS.c.id == request.id
                connection.execute(update(REQUESTS).where(here).values(started=self.clock.now()))

    def _moved_on(self, connection: Connection, model: str, state: GovernorState) -> bool:
        """Whether a run is under way, about to be, or was begun since `state` was looked up, as this transaction sees.

        Another worker may have been there in between; then the next tick looks again.
        """
        runs = select(RUNS.c.id).where(RUNS.c.model == model)
        under_way = runs.where(RUNS.c.status.not_in(ENDED))
        coming = select(REQUESTS.c.id).where(REQUESTS.c.model == model, _COMING)
        if any(connection.execute(query.limit(1)).first() is not None for query in (under_way, coming)):
            return True
        newest = connection.execute(runs.order_by(RUNS.c.created.desc(), RUNS.c.id.desc()).limit(1)).scalar()
        return newest is not None and newest != state.newest_run

    def _facts(
        self, declaration: Declaration, champion: ModelVersion | None, source: SourceState | None
    ) -> GovernorState:
        with self.state.read() as connection:
            here = BREAKERS.c.model == declaration.name
            reset: datetime | None = connection.execute(select(BREAKERS.c.reset).where(here)).scalar()
        return look_around(
            declaration,
            champion,
            source,
            journal=self.journal,
            rollouts=self.rollouts,
            reset=reset,
            now=self.clock.now(),
        )

    def _rows_of(self, champion: ModelVersion | None) -> int:
        """How many rows the dataset version held that the champion's run took; what it learned from, where unknown."""
        if champion is None:
            return 0
        return int(dataset_of(champion.run, self.journal).get("rows", champion.trained_rows))

    def _seen(self, model: str, cron: str) -> Any:
        here = (SCHEDULES.c.model == model) & (SCHEDULES.c.cron == cron)
        with self.state.read() as connection:
            seen = connection.execute(select(SCHEDULES.c.seen).where(here)).scalar()
        if seen is not None:
            return seen
        with self.state.write() as connection:
            insert_once(connection, SCHEDULES, {"model": model, "cron": cron, "seen": self.clock.now()})
        return self.clock.now()

    def _tell(self, connection: Connection, request: RetrainRequest, verb: str, reason: str) -> None:
        event = Event(
            id=derived_id("event", request.id, verb),
            kind=f"retrain.{verb}",
            subject=request.id,
            model=request.model,
            at=self.clock.now(),
            data={"trigger": request.trigger, "reason": reason},
        )
        emit(connection, event)


_COMING = (REQUESTS.c.status == "accepted") & REQUESTS.c.started.is_(None)
