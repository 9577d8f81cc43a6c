"""Windows of traffic: which have closed, and what a version's traffic was in each.

A window that was looked at is kept as one object, whatever the number of servers and requests: what later windows of
the same hour are held against, and what a report of weeks is made of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from loopwright.core.codec import from_json, to_json
from loopwright.errors import StorageError
from loopwright.ports.storage import Storage
from loopwright.registry.records import ModelVersion
from loopwright.rollout.evidence import summaries
from loopwright.traffic.summary import WindowSummary, merge

LATE = timedelta(minutes=2)
"""How long after its end a window waits for summaries that come late; a quarter of the window, where that is less."""


WINDOWS = "windows"

PARTS = 4
"""Into so many parts of equal length a window is cut to see whether a version had its share of it evenly."""

MOST_SEASONS = 8
"""How many seasons back a window is compared with."""


def last_closed(now: datetime, length: timedelta) -> datetime:
    """The end of the last window of `length` that is over and has waited for late summaries."""
    return window_of(now - min(LATE, length / 4), length)


def window_of(moment: datetime, length: timedelta) -> datetime:
    """The start of the window that holds `moment`; windows are aligned to the epoch."""
    seconds = length.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


def closed_windows(
    storage: Storage, version: ModelVersion, since: datetime | None, until: datetime, length: timedelta
) -> Iterator[tuple[datetime, WindowSummary, list[WindowSummary], float]]:
    """The version's traffic from `since` (its making, where None) to `until`: each window's start and merged summary,
    those of all versions that answered in it, and how `unevenly` it had its share.

    A window in which the version had none is left out.
    """
    first = max(version.created, since) if since else version.created
    parts: dict[datetime, dict[int, list[WindowSummary]]] = {}
    for one in summaries(storage, version.model, window_of(first, length), until):
        parts.setdefault(window_of(one.start, length), {}).setdefault(one.version, []).append(one)
    for start in sorted(parts):
        merged = {number: found for number, some in parts[start].items() if (found := merge(some)) is not None}
        if version.number in merged:
            uneven = unevenly(parts[start], version.number, start, length)
            yield start, merged[version.number], list(merged.values()), uneven


def unevenly(summaries: dict[int, list[WindowSummary]], version: int, start: datetime, length: timedelta) -> float:
    """How far the times at which `version` answered are from those at which anybody did, from 0 to 1.

    The total variation distance of both over the window's `PARTS`: 0 where it had the same share of each, whatever
    share; 1/2 where it took over in the middle of a day that was as busy before as after.
    """
    own = _by_part(summaries.get(version, ()), start, length)
    everybody = [sum(some) for some in zip(*(_by_part(one, start, length) for one in summaries.values()), strict=True)]
    if not sum(own):
        return 0.0
    apart = [abs(a / sum(own) - b / sum(everybody)) for a, b in zip(own, everybody, strict=True)]
    return float(sum(apart)) / 2


def keep_window(storage: Storage, window: WindowSummary, start: datetime, length: timedelta) -> None:
    """Keep one version's window, as it was when it was looked at. A second time changes nothing."""
    storage.create(f"{_folder(window.endpoint, start, length)}v{window.version}.json", to_json(window))


def kept_windows(storage: Storage, endpoint: str, start: datetime, length: timedelta) -> list[WindowSummary]:
    """What was kept of the window from `start` on: one summary a version. Raises `StorageError`."""
    return [_read(storage, key) for key in storage.list(_folder(endpoint, start, length))]


def kept_between(
    storage: Storage, endpoint: str, version: int, since: datetime, until: datetime, length: timedelta
) -> list[WindowSummary]:
    """A version's kept windows of `length` that began in [since, until), oldest first."""
    found, day, ending = [], since.date(), f"-{length.total_seconds():g}s/v{version}.json"
    while day <= until.date():
        for key in storage.list(f"{WINDOWS}/{endpoint}/{day:%Y-%m-%d}/"):
            if key.endswith(ending) and f"{since:%Y%m%d%H%M%S}" <= f"{day:%Y%m%d}{key.split('/')[3][:6]}":
                found.append(_read(storage, key))
        day += timedelta(days=1)
    return [one for one in found if one.start < until]


def earlier_windows(
    storage: Storage, endpoint: str, start: datetime, length: timedelta, season: timedelta
) -> dict[datetime, list[WindowSummary]]:
    """The windows of the same time of up to `MOST_SEASONS` earlier seasons, by their start; those that were kept."""
    starts = [start - season * back for back in range(1, MOST_SEASONS + 1)]
    found = {one: kept_windows(storage, endpoint, one, length) for one in starts if window_of(one, length) == one}
    return {one: windows for one, windows in found.items() if windows}


def _by_part(summaries: Sequence[WindowSummary], start: datetime, length: timedelta) -> list[int]:
    found = [0] * PARTS
    for one in summaries:
        found[min(PARTS - 1, int((one.start - start) / length * PARTS))] += one.rows
    return found


def _folder(endpoint: str, start: datetime, length: timedelta) -> str:
    return f"{WINDOWS}/{endpoint}/{start:%Y-%m-%d}/{start:%H%M%S}-{length.total_seconds():g}s/"


def _read(storage: Storage, key: str) -> WindowSummary:
    try:
        return from_json(storage.get(key), WindowSummary)
    except ValueError as error:
        raise StorageError(f"{key} is no summary: {error}", remedy="it is damaged: delete it") from error
