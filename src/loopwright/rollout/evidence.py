"""What the servers saw: summaries of an endpoint's traffic, read back from the object store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, groupby

import numpy as np

from loopwright.core.codec import from_json
from loopwright.errors import StorageError
from loopwright.outcomes.records import Losses
from loopwright.ports.storage import Storage
from loopwright.rollout.records import Block, Look, Quality, VariantEvidence
from loopwright.statistics.arrays import AnyArray, Floats, Places
from loopwright.statistics.sequential import blocks
from loopwright.traffic.summary import LATENCY_EDGES_MS, SLOTS, SlotCounts, WindowSummary, merge, summaries_folder

FIRST_LOOK, LOOK_GROWTH = 50, 1.5
"""Keys are looked at when a step has had 50 requests, and again each time it has had half as many more."""

STEP_UNITS = 30
"""A step with fewer units of either version, such as one with all traffic, says nothing of which is the better."""


def summaries(
    storage: Storage,
    endpoint: str,
    since: datetime,
    until: datetime,
    *,
    shadow: bool = False,
    known: dict[str, WindowSummary] | None = None,
) -> list[WindowSummary]:
    """Every window's summary that began in [since, until), oldest first: of variants that answer, or of shadows.

    Summaries never change: who looks again and again hands over the same `known`, and only new ones are read.
    """
    read = {} if known is None else known
    found = []
    day = since.date()
    while day <= until.date():
        for key in storage.list(f"{summaries_folder(endpoint)}{day:%Y-%m-%d}/"):
            clock = key.rsplit("/", 1)[1][:6]
            if f"{since:%Y%m%d%H%M%S}" <= f"{day:%Y%m%d}{clock}" <= f"{until:%Y%m%d%H%M%S}":
                if key not in read:
                    read[key] = _read(storage, key)
                found.append(read[key])
        day += timedelta(days=1)
    wanted = (one for one in found if since <= one.start < until and one.shadow == shadow)
    return sorted(wanted, key=lambda one: one.start)


def evidence(windows: Sequence[WindowSummary], version: int) -> VariantEvidence:
    """What was seen of one version in these windows."""
    own = [one for one in windows if one.version == version]
    merged = merge(own)
    if merged is None:
        return VariantEvidence()
    p99_ms = latency_quantile(merged.latency, 0.99)
    return VariantEvidence(
        requests=asked(own),
        errors=failed(own),
        p99_ms=p99_ms,
        latency=merged.latency,
        slots=_slot_shares(merged.by_slot),
    )


def asked(windows: Sequence[WindowSummary]) -> int:
    """How many requests came, answered and failed ones."""
    return sum(one.requests for one in windows) + failed(windows)


def drawn(windows: Sequence[WindowSummary]) -> int:
    """How many requests came for which it was drawn by lot who answers: not those that named a variant."""
    return asked(windows) - sum(one.named for one in windows)


def failed(windows: Sequence[WindowSummary]) -> int:
    """How many requests were not answered. Copies that a shadow had no time for say nothing of its version."""
    return sum(
        number for one in windows for kind, number in one.errors.items() if not (one.shadow and kind == "overload")
    )


def side_by_side(windows: Iterable[WindowSummary], challenger: int, champion: int) -> tuple[Block, ...]:
    """The windows of two versions as blocks that hold enough of both; what is left over at the end is not in them.

    Blocks end with a step: what a bad hour did to one step is not held against another's split.
    """
    found: list[Block] = []
    for _, step in groupby(sorted(windows, key=lambda one: (one.revision, one.start)), lambda one: one.revision):
        moments = [list(some) for _, some in groupby(step, lambda one: one.start)]
        a, b = ([_of(moment, version) for moment in moments] for version in (challenger, champion))
        start = 0
        for end in blocks([asked(one) for one in a], [asked(one) for one in b]).tolist():
            ours, theirs = merge(chain.from_iterable(a[start:end])), merge(chain.from_iterable(b[start:end]))
            if ours is not None and theirs is not None:
                found.append(Block(challenger=ours, champion=theirs))
            start = end
    return tuple(found)


def next_look(windows: Iterable[WindowSummary], taken: Sequence[Look], challenger: int, weight: int) -> Look | None:
    """What the slots of a step have seen, once its requests have grown by half since the last look taken; None before.

    The first is due at 50 requests. What lies in another variant's slot does not count: servers of earlier releases put
    requests there whose variant was chosen by name.
    """
    first = SLOTS - SLOTS * weight // 100
    total = np.zeros((3, SLOTS), dtype=np.int64)
    for one in windows:
        if one.by_slot is not None:
            slots = np.array(one.by_slot.slots, dtype=np.int64)
            own = (slots >= first) == (one.version == challenger)
            counts = np.array([one.by_slot.requests, one.by_slot.failed, one.by_slot.slow], dtype=np.int64)
            total[:, slots[own]] += counts[:, own]
    if total[0].sum() < (LOOK_GROWTH * sum(taken[-1].requests) if taken else FIRST_LOOK):
        return None
    requests, errors, slow = (tuple(row) for row in total.tolist())
    return Look(number=len(taken), first=first, requests=requests, failed=errors, slow=slow)


def qualities(ours: Losses, theirs: Losses, began: Sequence[datetime]) -> tuple[Quality, Quality]:
    """Challenger's and champion's mean loss of a unit, a step at a time; `began` is when each step but the first did.

    Rows of one unit in one step count as their mean. The challenger's share grows from step to step, so all that a step
    was harder for both would count against it. So each step counts in both figures by the challenger's units in it, if
    it has `STEP_UNITS` of both; else not at all. Variances are over the units, of which some come again in other steps.
    """
    cuts = np.array([one.replace(tzinfo=None) for one in began], dtype="datetime64[us]")
    a, b = _unit_means(ours, cuts), _unit_means(theirs, cuts)
    counts = [np.bincount(one.step, minlength=len(cuts) + 1) for one in (a, b)]
    share = np.where(np.minimum(*counts) >= STEP_UNITS, counts[0], 0) / max(1, len(a.step))
    share = share / share.sum() if share.any() else share
    return _weighed(a, share, ours.coverage), _weighed(b, share, theirs.coverage)


def latency_quantile(counts: tuple[int, ...], share: float) -> float | None:
    """The upper edge (ms) of the bucket in which the quantile lies: at most 20 % too high. None with no counts."""
    total = sum(counts)
    if total == 0:
        return None
    place = int(np.searchsorted(np.cumsum(counts), share * total))
    return LATENCY_EDGES_MS[min(place, len(LATENCY_EDGES_MS) - 1)]


@dataclass(frozen=True, kw_only=True, slots=True)
class _UnitMeans:
    """The mean loss of each unit in each step that it has rows in: all three [pairs of the two]."""

    step: Places
    unit: Places
    mean: Floats


def _unit_means(losses: Losses, cuts: AnyArray) -> _UnitMeans:
    names, unit = np.unique(losses.unit, return_inverse=True)
    step = np.searchsorted(cuts, losses.at.astype("datetime64[us]"), side="right")
    pairs, place = np.unique(step * len(names) + unit, return_inverse=True)
    means = np.bincount(place, losses.loss) / np.bincount(place)
    return _UnitMeans(step=pairs // max(1, len(names)), unit=pairs % max(1, len(names)), mean=means)


def _weighed(found: _UnitMeans, share: Floats, coverage: float) -> Quality:
    counted = share[found.step] > 0
    step, unit, loss = found.step[counted], found.unit[counted], found.mean[counted]
    counts = np.maximum(1, np.bincount(step, minlength=len(share)))
    means = np.bincount(step, loss, minlength=len(share)) / counts
    moved = np.bincount(unit, (share / counts)[step] * (loss - means[step]))
    units = len(np.unique(unit))
    variance = float((moved**2).sum()) * units * units / max(1, units - 1)
    return Quality(units=units, mean=float((share * means).sum()), variance=variance, coverage=coverage)


def _slot_shares(counts: SlotCounts | None) -> tuple[int, float]:
    """How many slots asked, and the sum of the shares of their requests that failed."""
    if counts is None:
        return 0, 0.0
    return len(counts.slots), sum(bad / n for bad, n in zip(counts.failed, counts.requests, strict=True))


def _of(windows: Iterable[WindowSummary], version: int) -> list[WindowSummary]:
    return [one for one in windows if one.version == version]


def _read(storage: Storage, key: str) -> WindowSummary:
    try:
        return from_json(storage.get(key), WindowSummary)
    except ValueError as error:
        raise StorageError(f"{key} is no summary: {error}", remedy="it is damaged: delete it") from error
