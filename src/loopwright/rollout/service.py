"""Rollouts: requested by a run, moved by the tick, stopped or hurried by a person. They write endpoint revisions."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from loopwright.core.clock import Clock, parse_duration
from loopwright.core.codec import to_plain
from loopwright.core.decision import Reason
from loopwright.core.event import Event
from loopwright.core.ids import derived_id
from loopwright.declare import RolloutPolicy
from loopwright.errors import ConflictError, NotFoundError
from loopwright.ports.storage import Storage
from loopwright.registry.records import ModelVersion
from loopwright.registry.service import Registry
from loopwright.rollout import ledger
from loopwright.rollout.evidence import evidence, summaries
from loopwright.rollout.records import Rollout, RolloutPlan, RolloutStatus, StepDecision
from loopwright.rollout.rules import decide_step
from loopwright.rollout.store import ROLLOUTS, rollout_of
from loopwright.state.engine import State, insert_once
from loopwright.state.outbox import emit
from loopwright.traffic.records import CapturePolicy, EndpointRevision, Variant

CHAMPION, CHALLENGER = "champion", "challenger"


class Rollouts:
    """What is on its way to an endpoint, and the verbs that move it. Raise `ConflictError` when late."""

    def __init__(self, state: State, storage: Storage, registry: Registry, clock: Clock) -> None:
        self.state, self.storage, self.registry, self.clock = state, storage, registry, clock

    # Asking

    def get(self, rollout_id: str) -> Rollout:
        """Raises `NotFoundError`."""
        with self.state.read() as connection:
            row = connection.execute(select(ROLLOUTS).where(ROLLOUTS.c.id == rollout_id)).mappings().first()
        if row is None:
            raise NotFoundError(f"there is no rollout {rollout_id}", remedy="`loopwright rollout list` shows them")
        return rollout_of(row)

    def rollouts(
        self, *, model: str | None = None, statuses: tuple[RolloutStatus, ...] = (), limit: int = 50
    ) -> list[Rollout]:
        """Rollouts, newest first."""
        query = select(ROLLOUTS).order_by(ROLLOUTS.c.requested.desc(), ROLLOUTS.c.id.desc()).limit(limit)
        if model is not None:
            query = query.where(ROLLOUTS.c.model == model)
        if statuses:
            query = query.where(ROLLOUTS.c.status.in_(statuses))
        with self.state.read() as connection:
            return [rollout_of(row) for row in connection.execute(query).mappings()]

    def active(self, model: str) -> Rollout | None:
        """The model's rollout that has not ended."""
        return next(iter(self.rollouts(model=model, statuses=("running", "awaiting_approval"), limit=1)), None)

    def aliases(self, model: str) -> dict[str, int]:
        """`champion` and `challenger` as the newest endpoint revision has them: version numbers by alias."""
        revision = ledger.newest(self.storage, model)
        return {variant.name: variant.version for variant in revision.variants} if revision else {}

    def champion(self, model: str) -> ModelVersion | None:
        """The version that the model's endpoint serves as champion; None where there is none yet."""
        number = self.aliases(model).get(CHAMPION)
        return self.registry.get(model, number) if number is not None else None

    # Moving

    def request(
        self,
        version: ModelVersion,
        policy: RolloutPolicy,
        *,
        rollout_id: str,
        actor: str = "loop",
        redact: tuple[str, ...] = (),
    ) -> Rollout:
        """Ask for `version` to become champion of its model's endpoint; one that is under way is superseded.

        The first version of a model goes live at once: there is no champion to compare it with. The same `rollout_id`
        again gives the rollout that is there.
        """
        now = self.clock.now()
        current = ledger.newest(self.storage, version.model)
        champion = current.variant(CHAMPION) if current else None
        values = Rollout(
            id=rollout_id,
            model=version.model,
            endpoint=version.model,
            version=version.number,
            champion=champion.version if champion else None,
            plan=_plan(policy),
            status="awaiting_approval" if version.needs_approval else "running",
            step=-1,
            step_started=now,
            revision=current.number if current else 0,
            requested=now,
            actor=actor,
        )
        with self.state.write() as connection:
            fresh = insert_once(connection, ROLLOUTS, _row(values))
        if fresh:
            self._supersede(values)
        rollout = self.get(rollout_id)
        return self._enter(rollout, 0, redact) if rollout.status == "running" and rollout.step < 0 else rollout

    def approve(self, rollout_id: str, *, actor: str) -> Rollout:
        """Let a rollout that waits for a person begin."""
        rollout = self.get(rollout_id)
        if rollout.status != "awaiting_approval":
            raise ConflictError(
                f"rollout {rollout_id} is {rollout.status}", remedy="only a waiting one can be approved"
            )
        approved = Reason(rule="approval", finding="pass", text=f"approved by {actor}")
        rollout = self._change(rollout, status="running", reasons=(*rollout.reasons, approved), actor=actor)
        return self._enter(rollout, 0, ())

    def tick(self) -> list[Rollout]:
        """Look at every running rollout and do what its evidence says; the ones that moved."""
        return [moved for rollout in self.rollouts(statuses=("running",)) if (moved := self._advance(rollout))]

    def promote(
        self, model: str, *, actor: str, reason: str = "promoted by hand", rollout_id: str | None = None
    ) -> Rollout:
        """End the model's rollout now, with its version as champion. Raises `NotFoundError` where none is under way.

        Raises `ConflictError` where it is not the one that `rollout_id` names.
        """
        return self._promote(self._under_way(model, rollout_id), actor, reason)

    def abort(
        self, model: str, *, actor: str, reason: str = "aborted by hand", rollout_id: str | None = None
    ) -> Rollout:
        """End the model's rollout now; the champion takes all traffic again. Raises as `promote` does."""
        rollout = self._under_way(model, rollout_id)
        said = Reason(rule="abort", finding="fail", text=reason)
        return self._abort(rollout, (said,), actor)

    def rollback(self, model: str, *, actor: str, reason: str = "rolled back by hand") -> EndpointRevision:
        """Make the champion before this one champion again. Raises `NotFoundError` where there was none."""
        current = self._newest(model)
        now_champion = current.variant(CHAMPION)
        for earlier in reversed(ledger.chain(self.storage, model)):
            before = earlier.variant(CHAMPION)
            if before and len(earlier.variants) == 1 and (not now_champion or before.version != now_champion.version):
                break
        else:
            raise NotFoundError(
                f"{model} has had no other champion to go back to", remedy="`loopwright rollout ledger`"
            )
        revision = self._write(current, (replace(before, weight=100),), actor, reason, f"rollback of {current.number}")
        if (rollout := self.active(model)) is not None:
            self._end(rollout, "aborted", (Reason(rule="rollback", finding="fail", text=reason),))
        return revision

    # The steps themselves

    def _advance(self, rollout: Rollout) -> Rollout | None:
        current = ledger.newest(self.storage, rollout.endpoint)
        if rollout.step < 0:
            return self._enter(rollout, 0, ())
        if current is not None and current.number > rollout.revision:
            if current.cause.startswith(f"{rollout.id}:"):  # written just before a crash; take it up
                return self._resume(rollout, current)
            reason = Reason(
                rule="ledger", finding="fail", text=f"{current.actor} changed the endpoint: {current.reason}"
            )
            return self._end(rollout, "aborted", (reason,))
        decision = self._decision(rollout)
        if decision.action == "abort":
            return self._abort(rollout, decision.reasons, "loop")
        if decision.action == "hold":
            if decision.reasons != rollout.reasons:
                self._change(rollout, reasons=decision.reasons)
            return None
        if rollout.step + 1 < len(rollout.plan.steps):
            return self._enter(replace(rollout, reasons=decision.reasons), rollout.step + 1, ())
        return self._promote(rollout, "loop", "; ".join(reason.text for reason in decision.reasons))

    def _decision(self, rollout: Rollout) -> StepDecision:
        now = self.clock.now()
        windows = summaries(self.storage, rollout.endpoint, rollout.started or rollout.requested, now)
        this_step = [one for one in windows if one.start >= rollout.step_started]
        champion = evidence(windows, rollout.champion) if rollout.champion is not None else evidence((), 0)
        return decide_step(
            rollout.plan,
            (now - rollout.step_started).total_seconds(),
            evidence(this_step, rollout.version),
            champion,
            sum(one.requests + sum(one.errors.values()) for one in this_step),
        )

    def _enter(self, rollout: Rollout, step: int, redact: tuple[str, ...]) -> Rollout:
        current = ledger.newest(self.storage, rollout.endpoint)
        champion = current.variant(CHAMPION) if current else None
        if champion is None or champion.version == rollout.version:
            return self._promote(rollout, rollout.actor, "the first version goes live at once", redact)
        weight = rollout.plan.steps[step]
        challenger = self._variant(rollout, CHALLENGER, weight)
        variants = (replace(champion, weight=100 - weight), challenger)
        text = f"version {rollout.version} takes {weight} %"
        revision = self._write(current, variants, rollout.actor, text, f"{rollout.id}:step-{step}")
        now = self.clock.now()
        return self._change(
            rollout,
            step=step,
            step_started=now,
            started=rollout.started or now,
            revision=revision.number,
            tell="stepped",
        )

    def _resume(self, rollout: Rollout, current: EndpointRevision) -> Rollout:
        stage = current.cause.split(":", 1)[1]
        if not stage.startswith("step-"):
            status: RolloutStatus = "promoted" if stage == "promote" else "aborted"
            return self._end(replace(rollout, revision=current.number), status, rollout.reasons)
        step = int(stage.removeprefix("step-"))
        started = rollout.started or current.at
        return self._change(rollout, step=step, step_started=current.at, started=started, revision=current.number)

    def _promote(self, rollout: Rollout, actor: str, reason: str, redact: tuple[str, ...] = ()) -> Rollout:
        current = ledger.newest(self.storage, rollout.endpoint)
        variants = (self._variant(rollout, CHAMPION, 100),)
        revision = self._write(current, variants, actor, reason, f"{rollout.id}:promote", rollout.endpoint, redact)
        said = Reason(rule="promote", finding="pass", text=reason)
        return self._end(replace(rollout, revision=revision.number), "promoted", (*rollout.reasons, said))

    def _abort(self, rollout: Rollout, reasons: tuple[Reason, ...], actor: str) -> Rollout:
        current = ledger.newest(self.storage, rollout.endpoint)
        champion = current.variant(CHAMPION) if current else None
        if current is not None and champion is not None and len(current.variants) > 1:
            text = "; ".join(one.text for one in reasons if one.finding == "fail") or "aborted"
            self._write(current, (replace(champion, weight=100),), actor, text, f"{rollout.id}:abort")
        return self._end(rollout, "aborted", reasons)

    def _supersede(self, newer: Rollout) -> None:
        for older in self.rollouts(model=newer.model, statuses=("running", "awaiting_approval")):
            if older.id != newer.id:
                text = f"version {newer.version} came while version {older.version} was still on its way"
                self._abort(older, (Reason(rule="superseded", finding="fail", text=text),), newer.actor)

    def _variant(self, rollout: Rollout, name: str, weight: int) -> Variant:
        version = self.registry.get(rollout.model, rollout.version)
        return Variant(
            name=name, version=version.number, bundle=version.folder, bundle_digest=version.digest, weight=weight
        )

    def _write(
        self,
        current: EndpointRevision | None,
        variants: tuple[Variant, ...],
        actor: str,
        reason: str,
        cause: str,
        endpoint: str = "",
        redact: tuple[str, ...] = (),
    ) -> EndpointRevision:
        if current is not None and current.cause == cause:
            return current  # written before a crash that forgot it
        capture = current.capture if current and not redact else CapturePolicy(redact=redact)
        revision = EndpointRevision(
            endpoint=current.endpoint if current else endpoint,
            model=current.model if current else endpoint,
            number=0,
            variants=variants,
            sticky_by=current.sticky_by if current else None,
            capture=capture,
            actor=actor,
            reason=reason,
            cause=cause,
            at=self.clock.now(),
            previous="",
        )
        return ledger.append(self.storage, revision, after=current)

    def _newest(self, model: str) -> EndpointRevision:
        current = ledger.newest(self.storage, model)
        if current is None:
            raise NotFoundError(f"endpoint {model} has never served anything", remedy=f"`loopwright run {model}`")
        return current

    def _under_way(self, model: str, rollout_id: str | None) -> Rollout:
        rollout = self.active(model)
        if rollout_id is not None and (rollout is None or rollout.id != rollout_id):
            raise ConflictError(
                f"rollout {rollout_id} is {self.get(rollout_id).status}", remedy="only one under way can be moved"
            )
        if rollout is None:
            raise NotFoundError(
                f"no rollout of {model} is under way", remedy="`loopwright rollout list` shows past ones"
            )
        return rollout

    def _end(self, rollout: Rollout, status: RolloutStatus, reasons: tuple[Reason, ...]) -> Rollout:
        return self._change(
            rollout,
            status=status,
            reasons=reasons,
            revision=rollout.revision,
            finished=self.clock.now(),
            started=rollout.started or self.clock.now(),
            tell=status,
        )

    def _change(self, rollout: Rollout, *, tell: str = "", **values: Any) -> Rollout:
        changed = replace(rollout, **values)
        with self.state.write() as connection:
            untouched = (ROLLOUTS.c.id == rollout.id) & (ROLLOUTS.c.finished.is_(None))
            row = _row(changed)
            done = connection.execute(update(ROLLOUTS).where(untouched).values(**row)).rowcount
            if done and tell:
                text = "; ".join(one.text for one in changed.reasons)
                event = Event(
                    id=derived_id("event", rollout.id, tell, changed.step),
                    kind=f"rollout.{tell}",
                    subject=rollout.id,
                    model=rollout.model,
                    at=self.clock.now(),
                    data={"version": rollout.version, "step": changed.step, "reason": text},
                )
                emit(connection, event)
        return self.get(rollout.id)


def _plan(policy: RolloutPolicy) -> RolloutPlan:
    return RolloutPlan(
        strategy=type(policy).__name__,
        steps=policy.steps,
        interval_seconds=parse_duration(policy.interval).total_seconds(),
        patience_seconds=parse_duration(policy.patience).total_seconds(),
        min_requests=policy.min_requests,
        max_latency_ratio=policy.max_latency_ratio,
    )


def _row(rollout: Rollout) -> dict[str, Any]:
    moments = ("requested", "started", "finished", "step_started")
    kept: dict[str, datetime | None] = {name: getattr(rollout, name) for name in moments}
    return to_plain(rollout) | kept  # type: ignore[no-any-return]
