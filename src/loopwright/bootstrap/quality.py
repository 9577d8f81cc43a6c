"""What rollouts judge quality by: the losses of served versions, read again only when outcomes have come."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from loopwright.bootstrap.platform import Platform
from loopwright.core.ids import derived_id
from loopwright.outcomes.ledger import outcome_batches
from loopwright.outcomes.losses import losses
from loopwright.outcomes.records import Losses
from loopwright.rollout.records import Rollout
from loopwright.rollout.service import LossesOf


def rollout_losses(platform: Platform, scratch: Path) -> LossesOf:
    """Losses for `Rollouts`. Captures are large: they are joined again only when there is another batch of outcomes."""
    known: dict[str, tuple[str, Losses]] = {}

    def read(rollout: Rollout, version: int, since: datetime) -> Losses:
        told = derived_id("told", *outcome_batches(platform.storage, rollout.model, since))
        place = f"{rollout.model}/{version}"  # a model has one rollout at a time
        if known.get(place, ("",))[0] != (mark := f"{rollout.id} {told}"):
            found = losses(
                rollout.model,
                version,
                since,
                platform.clock.now(),
                storage=platform.storage,
                registry=platform.registry,
                scratch=scratch,
                sticky_by=rollout.plan.sticky_by,
            )
            known[place] = mark, found
        return known[place][1]

    return read
