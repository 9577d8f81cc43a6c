"""Rollouts: look at them, and step in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from loopwright.api.asking import Here, Limit, OfModel, Order
from loopwright.rollout.records import Rollout, RolloutStatus

router = APIRouter(tags=["rollouts"])


@router.get("/rollouts")
def list_rollouts(
    platform: Here,
    model: OfModel,
    status: Annotated[list[RolloutStatus] | None, Query(description="Only those that stand so.")] = None,
    limit: Limit = 50,
) -> list[Rollout]:
    """Rollouts, newest first."""
    return platform.rollouts.rollouts(model=model, statuses=tuple(status or ()), limit=limit)


@router.get("/rollouts/{rollout}")
def get_rollout(rollout: str, platform: Here) -> Rollout:
    """One rollout."""
    return platform.rollouts.get(rollout)


@router.post("/rollouts/{rollout}/approve")
def approve_rollout(rollout: str, platform: Here, order: Order | None = None) -> Rollout:
    """Let a rollout that waits for a person begin."""
    return platform.rollouts.approve(rollout, actor=(order or Order()).by(platform))


@router.post("/rollouts/{rollout}/promote")
def promote_rollout(rollout: str, platform: Here, order: Order | None = None) -> Rollout:
    """End the rollout now, with its version as champion."""
    asked, found = order or Order(), platform.rollouts.get(rollout)
    reason = asked.reason or "promoted by hand"
    return platform.rollouts.promote(found.model, actor=asked.by(platform), reason=reason, rollout_id=rollout)


@router.post("/rollouts/{rollout}/abort")
def abort_rollout(rollout: str, platform: Here, order: Order | None = None) -> Rollout:
    """End the rollout now; the champion takes all traffic again."""
    asked, found = order or Order(), platform.rollouts.get(rollout)
    reason = asked.reason or "aborted by hand"
    return platform.rollouts.abort(found.model, actor=asked.by(platform), reason=reason, rollout_id=rollout)
