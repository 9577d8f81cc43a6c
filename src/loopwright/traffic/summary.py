"""What a window of traffic looked like, in counts that merge by addition whatever the number of servers and windows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

LATENCY_EDGES_MS: tuple[float, ...] = tuple(round(0.05 * 1.2**step, 6) for step in range(80))
"""Upper edges of the latency buckets, milliseconds, each 20 % above the one before: 0.05 ms to about 1.5 minutes."""


BESIDE = "beside."
"""What the name of an output begins with that is counted on another variant's bins, to be held against it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ColumnCounts:
    """How often values fell where, on the reference's bins: `bins[i]` counts bin i; `unseen` those that fit no bin."""

    bins: tuple[int, ...]
    missing: int = 0
    unseen: int = 0


SLOTS = 1000
"""Into so many slots of equal width a hash puts the keys that make requests sticky: ten to a percent of weight."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SlotCounts:
    """What came of the keys in each slot, for those that had any: `requests` (failed ones too), `failed` ones, and
    `slow` ones, slower than the variant's `slow_ms`. All requests of a key are in one slot, and all of a slot's are
    answered by one variant.
    """

    slots: tuple[int, ...]
    requests: tuple[int, ...]
    failed: tuple[int, ...]
    slow: tuple[int, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowSummary:
    """One variant's traffic from `start` for `seconds`, as one server (or several, merged) saw it.

    `requests` are those answered, `rows` theirs in all; `errors` counts the others by kind (`request`, `model`,
    `overload`); `latency` has one count per `LATENCY_EDGES_MS` and a last one above them; `columns` are counts of
    `input.<column>` and `output.<name>` on the bundle's bins, and of `beside.output.<name>` on those of the revision's
    first variant, where it is another. A `shadow` answered nobody: its requests are copies of
    those that another variant answered. `by_slot` is there where requests had keys and variants shared the traffic;
    `named` counts the requests (failed ones too) whose callers chose the variant there: they are in no slot.
    """

    endpoint: str
    revision: int
    variant: str
    version: int
    start: datetime
    seconds: float
    requests: int = 0
    rows: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    latency: tuple[int, ...] = ()
    columns: dict[str, ColumnCounts] = field(default_factory=dict)
    dropped: int = 0
    named: int = 0
    shadow: bool = False
    by_slot: SlotCounts | None = None


def summaries_folder(endpoint: str) -> str:
    return f"summaries/{endpoint}/"


def summary_key(summary: WindowSummary, server: str, sequence: int) -> str:
    """Where a server's summary lies; keys sort by the window's start."""
    place = f"{summary.start:%Y-%m-%d/%H%M%S}-{summary.variant}-{server}-{sequence:06d}.json"
    return summaries_folder(summary.endpoint) + place


def merge(summaries: Iterable[WindowSummary]) -> WindowSummary | None:
    """All of them as one, from the earliest start to the latest end; None where there are none."""
    kept = sorted(summaries, key=lambda one: one.start)
    if not kept:
        return None
    errors: dict[str, int] = {}
    columns: dict[str, ColumnCounts] = {}
    for one in kept:
        for kind, count in one.errors.items():
            errors[kind] = errors.get(kind, 0) + count
        for name, counts in one.columns.items():
            columns[name] = _add(columns[name], counts) if name in columns else counts
    last, first = kept[-1], kept[0]
    end = max(one.start.timestamp() + one.seconds for one in kept)
    return WindowSummary(
        endpoint=first.endpoint,
        revision=last.revision,
        variant=last.variant,
        version=last.version,
        start=first.start,
        seconds=end - first.start.timestamp(),
        requests=sum(one.requests for one in kept),
        rows=sum(one.rows for one in kept),
        errors=errors,
        latency=_sum(one.latency for one in kept),
        columns=columns,
        dropped=sum(one.dropped for one in kept),
        named=sum(one.named for one in kept),
        shadow=last.shadow,
        by_slot=merge_slots(one.by_slot for one in kept),
    )


def merge_slots(counts: Iterable[SlotCounts | None]) -> SlotCounts | None:
    """All of them as one; None where there are none."""
    total: dict[int, list[int]] = {}
    found = [one for one in counts if one is not None]
    for one in found:
        for slot, *numbers in zip(one.slots, one.requests, one.failed, one.slow, strict=True):
            known = total.setdefault(slot, [0, 0, 0])
            for place, number in enumerate(numbers):
                known[place] += number
    return slot_counts(total) if found else None


def slot_counts(total: Mapping[int, Sequence[int]]) -> SlotCounts:
    """Counts by slot, each of requests, failed and slow ones, as a record."""
    slots = sorted(total)
    requests, failed, slow = (tuple(total[slot][place] for slot in slots) for place in range(3))
    return SlotCounts(slots=tuple(slots), requests=requests, failed=failed, slow=slow)


def _add(a: ColumnCounts, b: ColumnCounts) -> ColumnCounts:
    return ColumnCounts(bins=_sum((a.bins, b.bins)), missing=a.missing + b.missing, unseen=a.unseen + b.unseen)


def _sum(counts: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    rows = [row for row in counts if row]
    width = max((len(row) for row in rows), default=0)
    return tuple(sum(row[place] for row in rows if place < len(row)) for place in range(width))
