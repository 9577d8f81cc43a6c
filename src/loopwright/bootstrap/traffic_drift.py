"""How far a model's traffic is from its test rows: what the command line and the API load only when asked for it."""

from __future__ import annotations

from typing import Any

from loopwright.bootstrap.performance import check_length
from loopwright.bootstrap.platform import Platform, load_adapter
from loopwright.core.clock import parse_duration
from loopwright.core.codec import from_plain
from loopwright.monitoring.records import DriftReport
from loopwright.policies.retraining import Drift


def traffic_drift(
    platform: Platform, model: str, *, since: str, exact: bool = False, drift: Drift | None = None
) -> DriftReport:
    """The champion's traffic within the time `since` (such as 1d): its windows' counts, or `exact`, its captured rows.

    Counts are quick; rows take memory and seconds. `drift` is how the model is watched; without it, as the worker last
    found it declared. Raises `NotFoundError` where there is no traffic, and `RequestError` where `since` is no length.
    """
    check_length(since)
    room: Any = load_adapter("loopwright.bootstrap.drift")
    compare = room.drift_of_captures if exact else room.drift_of_counts
    watched = drift or declared_drift(platform, model) or Drift()
    found: DriftReport = compare(platform, model, watched, platform.clock.now() - parse_duration(since))
    return found


def declared_drift(platform: Platform, model: str) -> Drift | None:
    """How the model is watched, as the worker last found it declared; None where no file declares it."""
    declared = next((one.declaration for one in platform.declared if one.name == model), None)
    return from_plain(declared["drift"], Drift) if declared else None
