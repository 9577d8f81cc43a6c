"""How well a model predicts: what the command line and the API load only when asked for it."""

from __future__ import annotations

import importlib
from datetime import datetime
from typing import Any

from loopwright.bootstrap.platform import Platform
from loopwright.core.clock import parse_duration
from loopwright.errors import RequestError
from loopwright.monitoring.records import PerformanceReport


def live_performance(
    platform: Platform, model: str, *, since: str, window: str = "1d", as_of: datetime | None = None
) -> PerformanceReport:
    """The performance of `model` within the time `since` (such as 30d), on what is known, or was known `as_of`.

    The metric that decides is the declared one of `Decay`, or of the gate, as the worker last found them. Raises
    `RequestError` where a length is none.
    """
    declared = next((one.declaration for one in platform.declared if one.name == model), {})
    metric = declared.get("decay", {}).get("metric") or declared.get("gate", {}).get("metric")
    now = platform.clock.now()
    room: Any = importlib.import_module("loopwright.monitoring.performance")
    for text in (since, window):
        check_length(text)
    found: PerformanceReport = room.performance(
        model,
        now - parse_duration(since),
        now,
        storage=platform.storage,
        registry=platform.registry,
        scratch=platform.home / "cache",
        window=window,
        metric=metric,
        as_of=as_of,
    )
    return found


def check_length(text: str) -> None:
    """Raise `RequestError` unless `text` is a length of time above 0."""
    try:
        length = parse_duration(text)
    except ValueError as error:
        raise RequestError(str(error), remedy="for example 12h, 7d or 4w") from None
    if not length:
        raise RequestError(f"{text} has no length", remedy="for example 12h, 7d or 4w")
