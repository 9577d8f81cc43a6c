"""Rollouts: requested by a run, moved by the tick, stopped or hurried by a person. They write endpoint revisions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from loopwright.core.clock import Clock, parse_duration
from loopwright.core.codec import to_plain
from loopwright.core.decision import Reason
from loopwright.core.event import Event
from loopwright.core.ids import derived_id
from loopwright.errors import ConflictError, NotFoundError
from loopwright.outcomes.records import Losses
from loopwright.policies.rollout import ABTest, RolloutPolicy, Shadow
from loopwright.ports.storage import Storage
from loopwright.registry.records import ModelVersion
from loopwright.registry.service import Registry
from loopwright.rollout import ledger
from loopwright.rollout.evidence import drawn, evidence, qualities, side_by_side, summaries
from loopwright.rollout.guards import HARMLESS_MS, LATENCY_REQUESTS
from loopwright.rollout.looks import forget_looks, take_looks
from loopwright.rollout.records import (
    Look,
    Quality,
    Rollout,
    RolloutPlan,
    RolloutStatus,
    StepDecision,
    StepEvidence,
    VariantEvidence,
)
from loopwright.rollout.rules import decide_step
from loopwright.rollout.store import ROLLOUTS, rollout_of
from loopwright.state.engine import State, insert_once
from loopwright.state.outbox import emit
from loopwright.traffic.records import CapturePolicy, EndpointRevision, Variant
from loopwright.traffic.summary import WindowSummary

CHAMPION, CHALLENGER, SHADOW = "champion", "challenger", "shadow"

SENDING_SECONDS = 2.0
"""How long a server may take from the end of a window until its summary lies in the object store."""

SKEW = timedelta(minutes=5)
"""How far a server's clock may be from ours: summaries are told apart by their revision, not by our time."""

USUAL = timedelta(hours=1)
"""How far back a rollout looks for how fast the champion usually answers."""

LossesOf = Callable[[Rollout, int, datetime], Losses]
"""The losses of a version's predictions since a moment, as far as their outcomes are known."""


class Rollouts:
    """What is on its way to an endpoint, and the verbs that move it. Raise `ConflictError` when late.

    `losses` are read to judge quality; they need Polars, so that those who load it hand them in. Without, it is not.
    """

    def __init__(
        self,
        state: State,
        storage: Storage,
        registry: Registry,
        clock: Clock,
        *,
        window_seconds: float = 60.0,
        losses: LossesOf | None = None,
    ) -> None:
        self.state, self.storage, self.registry, self.clock = state, storage, registry, clock
        self.losses = losses
        self._unseen_seconds = window_seconds + SENDING_SECONDS
        self._read: dict[str, dict[str, WindowSummary]] = {}
        self._looks: dict[str, dict[str, Look]] = {}

    # Asking

    def get(self, rollout_id: str) -> Rollout:
        """Raises `NotFoundError`."""
        with self.state.read() as connection:
            row = connection.execute(select(ROLLOUTS).where(ROLLOUTS.c.id == rollout_id)).mappings().first()
        if row is None:
            raise NotFoundError(f"there is no rollout {rollout_id}", remedy="`loopwright rollout list` shows them")
        return rollout_of(row)

    def rollouts(
        self, *, model: str | None = None, statuses: tuple[RolloutStatus, ...] = (), limit: int | None = 50
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
        return {variant.name: variant.version for variant in revision.answering} if revision else {}

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
        capture_share: float = 1.0,
        sticky_by: str | None = None,
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
            plan=replace(_plan(policy), redact=redact, capture_share=capture_share, sticky_by=sticky_by),
            status="awaiting_approval" if version.needs_approval else "running",
            step=-1,
            step_started=now,
            revision=current.number if current else 0,
            requested=now,
            actor=actor,
        )
        with self.state.write() as connection:
            insert_once(connection, ROLLOUTS, _row(values))
        rollout = self.get(rollout_id)
        if rollout.finished is None and rollout.step < 0:
            self._supersede(rollout)
        if rollout.status == "running" and rollout.step < 0:
            return self._enter(rollout, ledger.newest(self.storage, rollout.endpoint), 0)
        return rollout

    def approve(self, rollout_id: str, *, actor: str) -> Rollout:
        """Let a rollout that waits for a person begin, or a version that was shadowed become champion."""
        rollout = self.get(rollout_id)
        current = ledger.newest(self.storage, rollout.endpoint)
        if rollout.status == "awaiting_approval":
            said = Reason(rule="approval", finding="pass", text=f"approved by {actor}")
            approved = self._change(rollout, status="running", reasons=(*rollout.reasons, said), actor=actor)
            if approved.status == "running":
                if approved.step >= 0:
                    return self._promote(approved, current, actor, said.text)
                return self._enter(approved, current, 0)
            rollout = approved
        raise ConflictError(f"rollout {rollout_id} is {rollout.status}", remedy="only a waiting one can be approved")

    def tick(self) -> list[Rollout]:
        """Look at every running rollout and do what its evidence says; the ones that moved.

        One rollout's trouble does not keep the others from their turn; the first trouble is raised at the end.
        """
        running = self.rollouts(statuses=("running",), limit=None)
        self._read = {one.id: self._read.get(one.id, {}) for one in running}
        self._looks = {one.id: self._looks.get(one.id, {}) for one in running}
        moved: list[Rollout] = []
        troubles: list[Exception] = []
        for rollout in running:
            try:
                moved += [now] if (now := self._advance(rollout)) else []
            except Exception as trouble:  # noqa: BLE001 - whatever it is, the others have their turn; it is raised at the end
                troubles.append(trouble)
        if troubles:
            raise troubles[0]
        return moved

    def promote(
        self, model: str, *, actor: str, reason: str = "promoted by hand", rollout_id: str | None = None
    ) -> Rollout:
        """End the model's rollout now, with its version as champion. Raises `NotFoundError` where none is under way.

        Raises `ConflictError` where it is not the one that `rollout_id` names.
        """
        current = ledger.newest(self.storage, model)  # before the rollout is looked at: a change in between is seen
        return self._promote(self._under_way(model, rollout_id), current, actor, reason)

    def abort(
        self, model: str, *, actor: str, reason: str = "aborted by hand", rollout_id: str | None = None
    ) -> Rollout:
        """End the model's rollout now; the champion takes all traffic again. Raises as `promote` does."""
        current = ledger.newest(self.storage, model)
        rollout = self._under_way(model, rollout_id)
        said = Reason(rule="abort", finding="fail", text=reason)
        return self._abort(rollout, current, (said,), actor)

    def rollback(self, model: str, *, actor: str, reason: str = "rolled back by hand") -> EndpointRevision:
        """Go back: to the champion alone where another version takes traffic, else to the champion before this one.

        Again goes back one further. Ends the model's rollout. Raises `NotFoundError` where there is none to go back to.
        """
        current = self._newest(model)
        champions = _champions(ledger.chain(self.storage, model))
        if len(current.answering) == 1:
            champions.pop()
        if not champions:
            raise NotFoundError(
                f"{model} has had no other champion to go back to", remedy="`loopwright rollout ledger`"
            )
        variants = (replace(champions[-1], weight=100),)
        revision = self._write(current, variants, actor, reason, f"{_ROLLBACK}{current.number}")
        if (rollout := self.active(model)) is not None:
            self._end(rollout, "aborted", (Reason(rule="rollback", finding="fail", text=reason),))
        return revision

    def shadow(
        self, version: ModelVersion, *, share: int = 100, actor: str, reason: str = "shadowed by hand"
    ) -> EndpointRevision:
        """Let `version` predict a copy of `share` percent of the answered requests, beside the champion; nobody gets
        its answers. With a share of 0 its shadow ends, and so it does with the next rollout or rollback.

        Raises `NotFoundError` where the endpoint serves nothing yet, `ConflictError` while a rollout is under way.
        """
        if not 0 <= share <= 100:
            raise ConflictError(f"a shadow cannot have {share} % of the requests", remedy="give it 1 to 100, or 0")
        current = self._newest(version.model)
        if (rollout := self.active(version.model)) is not None:
            raise ConflictError(
                f"rollout {rollout.id} of {version.model} is under way", remedy="shadow a version before or after it"
            )
        others = tuple(one for one in current.variants if one.name != SHADOW)
        shadows = (replace(_as_variant(version, SHADOW, share), shadow=True),) if share else ()
        cause = f"{SHADOW} v{version.number} {share} % after {current.number}"
        return self._write(current, (*others, *shadows), actor, reason, cause)

    # The steps themselves

    def _advance(self, rollout: Rollout) -> Rollout | None:
        current = ledger.newest(self.storage, rollout.endpoint)
        if rollout.step < 0:
            return self._enter(rollout, current, 0)
        if current is not None and current.number > rollout.revision:
            if current.cause.startswith(f"{rollout.id}:"):  # written just before a crash; take it up
                return self._resume(rollout, current)
            reason = Reason(
                rule="ledger", finding="fail", text=f"{current.actor} changed the endpoint: {current.reason}"
            )
            return self._end(rollout, "aborted", (reason,))
        decision = self._decision(rollout)
        if decision.action == "abort":
            return self._abort(rollout, current, decision.reasons, "loop")
        if decision.action == "hold":
            if decision.reasons != rollout.reasons:
                self._change(rollout, reasons=decision.reasons)
            return None
        if rollout.step + 1 < len(rollout.plan.steps):
            return self._enter(replace(rollout, reasons=decision.reasons), current, rollout.step + 1)
        if rollout.plan.asks:
            return self._change(rollout, status="awaiting_approval", reasons=decision.reasons, tell="awaiting_approval")
        return self._promote(replace(rollout, reasons=decision.reasons), current, "loop", decision.reasons[-1].text)

    def _decision(self, rollout: Rollout) -> StepDecision:
        now = self.clock.now()
        began = rollout.started or rollout.requested
        known = self._read.setdefault(rollout.id, {})
        seen = summaries(self.storage, rollout.endpoint, began - SKEW, now + SKEW, known=known)
        first = rollout.revision - rollout.step  # each step is one revision, and nobody else's may come between
        if rollout.plan.shadow:
            seen += summaries(self.storage, rollout.endpoint, began - SKEW, now + SKEW, shadow=True, known=known)
        this_step = [one for one in seen if one.revision == rollout.revision]
        # Servers that have not taken the step's revision up still answer for an earlier one.
        late = [one for one in seen if one.revision < rollout.revision and one.start >= rollout.step_started]
        since_first = [one for one in seen if one.revision >= first]
        weight, champion = rollout.plan.steps[rollout.step], rollout.champion or 0
        settled = [one for one in this_step if _end(one) + timedelta(seconds=self._unseen_seconds) <= now]
        theirs = evidence(since_first, champion)
        alone = weight == 100 and not rollout.plan.shadow
        keyed = any(one.by_slot is not None for one in since_first)
        looked = self._looks.setdefault(rollout.id, {})
        found = StepEvidence(
            challenger=evidence(this_step, rollout.version),
            champion=theirs,
            before=self._before(rollout, began, known) if alone else VariantEvidence(),
            asked=drawn([one for one in (*this_step, *late) if not one.shadow]),
            blocks=side_by_side(since_first, rollout.version, champion),
            keyed=keyed,
            looks=take_looks(self.storage, rollout, settled, known=looked) if keyed else (),
            split=(drawn([one for one in settled if one.version == rollout.version]), drawn(settled)),
            quality=self._quality(rollout),
        )
        seconds = (now - rollout.step_started).total_seconds()
        return decide_step(rollout.plan, seconds, found, weight=weight, unseen_seconds=self._unseen_seconds)

    def _before(self, rollout: Rollout, began: datetime, known: dict[str, WindowSummary]) -> VariantEvidence:
        """The champion in the hour before the rollout."""
        first = rollout.revision - rollout.step
        seen = summaries(self.storage, rollout.endpoint, began - USUAL, began + SKEW, known=known)
        return evidence([one for one in seen if one.revision < first], rollout.champion or 0)

    def _quality(self, rollout: Rollout) -> tuple[Quality, Quality] | None:
        if self.losses is None or rollout.champion is None or rollout.started is None or rollout.plan.shadow:
            return None
        ours, theirs = (self.losses(rollout, one, rollout.started) for one in (rollout.version, rollout.champion))
        if not len(ours.loss) and not len(theirs.loss):
            return None
        steps = ledger.between(self.storage, rollout.endpoint, rollout.revision - rollout.step, rollout.revision)
        return qualities(ours, theirs, [one.at for one in steps[1:]])

    def _slow_ms(self, rollout: Rollout) -> float | None:
        """From which latency on a challenger's answer is slow: what keys are compared by. The champion's, the policy's
        ratio sooner, so that one slower by just the ratio has as many.
        """
        now = self.clock.now()
        usual = evidence(summaries(self.storage, rollout.endpoint, now - USUAL, now + SKEW), rollout.champion or 0)
        if usual.p99_ms is None or usual.requests < LATENCY_REQUESTS:
            return None
        return max(HARMLESS_MS, usual.p99_ms * rollout.plan.max_latency_ratio)

    def _enter(self, rollout: Rollout, current: EndpointRevision | None, step: int) -> Rollout:
        champion = current.variant(CHAMPION) if current else None
        if champion is None or champion.version == rollout.version:
            return self._promote(rollout, current, rollout.actor, "the first version goes live at once")
        weight, plan = rollout.plan.steps[step], rollout.plan
        variants: tuple[Variant, ...]
        if plan.shadow:
            copied = replace(self._variant(rollout, SHADOW, weight), shadow=True)
            variants, text = (replace(champion, weight=100), copied), f"version {rollout.version} sees {weight} %"
        else:
            slow_ms = self._slow_ms(rollout)
            usual_ms = None if slow_ms is None else slow_ms / plan.max_latency_ratio
            challenger = replace(self._variant(rollout, CHALLENGER, weight), slow_ms=slow_ms)
            variants, text = (
                (replace(champion, weight=100 - weight, slow_ms=usual_ms), challenger),
                f"version {rollout.version} takes {weight} %",
            )
        cause = f"{rollout.id}:step-{step}"
        revision = self._write(current, variants, rollout.actor, text, cause, plan)
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

    def _promote(self, rollout: Rollout, current: EndpointRevision | None, actor: str, reason: str) -> Rollout:
        variants = (self._variant(rollout, CHAMPION, 100),)
        cause = f"{rollout.id}:promote"
        revision = self._write(current, variants, actor, reason, cause, rollout.plan, rollout.endpoint)
        said = Reason(rule="promote", finding="pass", text=reason)
        return self._end(replace(rollout, revision=revision.number), "promoted", (*rollout.reasons, said))

    def _abort(
        self, rollout: Rollout, current: EndpointRevision | None, reasons: tuple[Reason, ...], actor: str
    ) -> Rollout:
        champion = current.variant(CHAMPION) if current else None
        # One that runs and has no step yet may be taking its first one now, elsewhere: the revision is what stops it.
        entering = rollout.status == "running" and rollout.step < 0
        under_way = current is not None and (len(current.answering) > 1 or (rollout.plan.shadow and rollout.step >= 0))
        if current is not None and champion is not None and (under_way or entering):
            text = "; ".join(one.text for one in reasons if one.finding == "fail") or "aborted"
            self._write(current, (replace(champion, weight=100, slow_ms=None),), actor, text, f"{rollout.id}:abort")
        return self._end(rollout, "aborted", reasons)

    def _supersede(self, newer: Rollout) -> None:
        for older in self.rollouts(model=newer.model, statuses=("running", "awaiting_approval")):
            if older.id != newer.id and older.requested <= newer.requested:
                text = f"version {newer.version} came while version {older.version} was still on its way"
                said = Reason(rule="superseded", finding="fail", text=text)
                self._abort(older, ledger.newest(self.storage, older.endpoint), (said,), newer.actor)

    def _variant(self, rollout: Rollout, name: str, weight: int) -> Variant:
        return _as_variant(self.registry.get(rollout.model, rollout.version), name, weight)

    def _write(
        self,
        current: EndpointRevision | None,
        variants: tuple[Variant, ...],
        actor: str,
        reason: str,
        cause: str,
        plan: RolloutPlan | None = None,
        endpoint: str = "",
    ) -> EndpointRevision:
        if current is not None and current.cause == cause:
            return current  # written before a crash that forgot it
        capture, sticky_by = (current.capture, current.sticky_by) if current else (CapturePolicy(), None)
        if plan is not None:
            capture, sticky_by = CapturePolicy(share=plan.capture_share, redact=plan.redact), plan.sticky_by
        revision = EndpointRevision(
            endpoint=current.endpoint if current else endpoint,
            model=current.model if current else endpoint,
            number=0,
            variants=variants,
            sticky_by=sticky_by,
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
        ended = self._change(
            rollout,
            status=status,
            reasons=reasons,
            revision=rollout.revision,
            finished=self.clock.now(),
            started=rollout.started or self.clock.now(),
            tell=status,
        )
        forget_looks(self.storage, ended)
        return ended

    def _change(self, rollout: Rollout, *, tell: str = "", **values: Any) -> Rollout:
        changed = replace(rollout, **values)
        with self.state.write() as connection:
            same = ROLLOUTS.c.status == rollout.status
            untouched = (ROLLOUTS.c.id == rollout.id) & ROLLOUTS.c.finished.is_(None) & same
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


_ROLLBACK = "rollback of "


def _champions(chain: Iterable[EndpointRevision]) -> list[Variant]:
    """Who was champion alone, one after the other; a rollback takes back those after the one it goes back to."""
    found: list[Variant] = []
    for revision in chain:
        champion = revision.variant(CHAMPION)
        if champion is None or len(revision.answering) > 1:
            continue
        if revision.cause.startswith(_ROLLBACK):
            while found and found[-1].version != champion.version:
                found.pop()
        if not found or found[-1].version != champion.version:
            found.append(champion)
    return found


def _as_variant(version: ModelVersion, name: str, weight: int) -> Variant:
    return Variant(
        name=name, version=version.number, bundle=version.folder, bundle_digest=version.digest, weight=weight
    )


def _end(window: WindowSummary) -> datetime:
    return window.start + timedelta(seconds=window.seconds)


def _plan(policy: RolloutPolicy) -> RolloutPlan:
    return RolloutPlan(
        strategy=type(policy).__name__,
        steps=policy.steps,
        interval_seconds=parse_duration(policy.interval).total_seconds(),
        patience_seconds=parse_duration(policy.patience).total_seconds(),
        min_requests=policy.min_requests,
        max_latency_ratio=policy.max_latency_ratio,
        alpha=policy.alpha,
        max_shift=policy.max_shift,
        shadow=isinstance(policy, Shadow),
        asks=isinstance(policy, Shadow) and policy.then == "approval",
        metric=policy.metric if isinstance(policy, ABTest) else None,
        otherwise=policy.otherwise if isinstance(policy, ABTest) else "champion",
    )


def _row(rollout: Rollout) -> dict[str, Any]:
    moments = ("requested", "started", "finished", "step_started")
    kept: dict[str, datetime | None] = {name: getattr(rollout, name) for name in moments}
    return to_plain(rollout) | kept  # type: ignore[no-any-return]
