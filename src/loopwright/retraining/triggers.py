"""Triggers: from what is seen to the requests it makes. The same cause always makes the request of the same id."""

from __future__ import annotations

from datetime import UTC, datetime

from croniter import croniter

from loopwright.core.ids import derived_id
from loopwright.errors import DeclarationError
from loopwright.monitoring.records import Finding
from loopwright.policies.retraining import NewData
from loopwright.registry.records import ModelVersion
from loopwright.retraining.records import RetrainRequest, RetrainTrigger, SourceState


def by_new_data(
    model: str,
    trigger: NewData,
    source: SourceState,
    champion: ModelVersion | None,
    champion_rows: int,
    now: datetime,
) -> RetrainRequest | None:
    """A request where the source holds at least `min_rows` rows that the champion, of `champion_rows`, has not seen.

    A source with no more rows than the champion's but another digest was rewritten: all of its rows count as unseen.
    """
    if champion is not None and champion.dataset == source.digest:
        return None
    unseen = source.rows - champion_rows if source.rows > champion_rows else source.rows
    if unseen < trigger.min_rows:
        return None
    reason = f"{unseen} rows have come that no champion has learned from"
    cause = f"dataset {source.digest} beside version {champion.number if champion else 0}"
    return _request(model, "new_data", cause, reason, champion, now)


def by_schedule(
    model: str, cron: str, seen: datetime, champion: ModelVersion | None, now: datetime
) -> RetrainRequest | None:
    """A request for the latest slot of `cron` (UTC) that is due; missed ones before it are one with it.

    Slots up to `seen`, when the schedule was first known, are nobody's. Raises `DeclarationError`.
    """
    slot = latest_slot(model, cron, now)
    if slot <= seen:
        return None
    cause = f"schedule {cron} at {slot:%Y-%m-%dT%H:%MZ}"
    return _request(
        model, "schedule", cause, f"the schedule {cron!r} was due at {slot:%Y-%m-%d %H:%M} UTC", champion, now
    )


def by_drift(finding: Finding, champion: ModelVersion, now: datetime) -> RetrainRequest:
    """A request for a window in which the champion's traffic drifted."""
    return _request(finding.model, "drift", finding.id, finding.decision.because(), champion, now)


def by_decay(finding: Finding, champion: ModelVersion, now: datetime) -> RetrainRequest:
    """A request for a window in which the champion predicted worse than it did on its test rows."""
    return _request(finding.model, "decay", finding.id, finding.decision.because(), champion, now)


def by_hand(
    model: str, *, actor: str, reason: str, champion: ModelVersion | None, now: datetime, force: bool
) -> RetrainRequest:
    """A person's request; each moment is a cause of its own."""
    cause = f"by hand at {now.isoformat()}"
    return _request(model, "manual", cause, reason, champion, now, actor=actor, force=force)


def latest_slot(model: str, cron: str, now: datetime) -> datetime:
    """The latest moment that `cron` names, up to and including `now`. Raises `DeclarationError`."""
    if not croniter.is_valid(cron):
        raise DeclarationError(
            f"{model}: the schedule {cron!r} names no time",
            remedy='five fields: minute hour day month weekday, such as "0 3 * * 1"',
        )
    slot: datetime = croniter(cron, now.astimezone(UTC)).get_prev(datetime)
    return now if croniter.match(cron, now) and now.second == now.microsecond == 0 else slot


def _request(
    model: str,
    trigger: RetrainTrigger,
    cause: str,
    reason: str,
    champion: ModelVersion | None,
    now: datetime,
    *,
    actor: str = "loop",
    force: bool = False,
) -> RetrainRequest:
    return RetrainRequest(
        id=derived_id("request", model, trigger, cause),
        model=model,
        trigger=trigger,
        cause=cause,
        reason=reason,
        requested=now,
        actor=actor,
        version=champion.number if champion else None,
        force=force,
    )
