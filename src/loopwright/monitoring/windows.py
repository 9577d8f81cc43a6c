"""Windows of traffic: which have closed, and what a version's traffic was in each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from loopwright.ports.storage import Storage
from loopwright.registry.records import ModelVersion
from loopwright.rollout.evidence import summaries
from loopwright.traffic.summary import WindowSummary, merge

LATE = timedelta(minutes=2)
"""How long after its end a window waits for summaries that come late; a quarter of the window, where that is less."""


def last_closed(now: datetime, length: timedelta) -> datetime:
    """The end of the last window of `length` that is over and has waited for late summaries."""
    return window_of(now - min(LATE, length / 4), length)


def window_of(moment: datetime, length: timedelta) -> datetime:
    """The start of the window that holds `moment`; windows are aligned to the epoch."""
    seconds = length.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


def closed_windows(
    storage: Storage, version: ModelVersion, since: datetime | None, until: datetime, length: timedelta
) -> Iterator[tuple[datetime, WindowSummary]]:
    """The version's traffic from `since` (its making, where None) to `until`: start and merged summary of each window.

    A window in which there was none is left out.
    """
    first = max(version.created, since) if since else version.created
    parts: dict[datetime, list[WindowSummary]] = {}
    for one in summaries(storage, version.model, window_of(first, length), until):
        if one.version == version.number:
            parts.setdefault(window_of(one.start, length), []).append(one)
    for start in sorted(parts):
        merged = merge(parts[start])
        if merged is not None:
            yield start, merged
