"""Time. Nothing else in Loopwright asks the machine what time it is, so a simulator can say it instead."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

CENTURY = timedelta(days=36_525)
"""The longest duration there is: a moment so long before or after now is still a date."""


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """The present moment, in UTC, with its zone."""

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class VirtualClock:
    """Time that passes only when told to: for simulations and tests."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def parse_duration(text: str) -> timedelta:
    """`"90s"`, `"15m"`, `"6h"`, `"1.5d"`, `"2w"` as a length of time. Raises `ValueError`, naming the text."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration: write a number and a unit, such as 30s, 15m, 6h, 1d or 2w")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > CENTURY.total_seconds():
        raise ValueError(f"{text!r} is longer than a century")
    return timedelta(seconds=seconds)


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
