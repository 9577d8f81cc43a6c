"""What the servers saw: summaries of an endpoint's traffic, read back from the object store."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np

from loopwright.core.codec import from_json
from loopwright.errors import StorageError
from loopwright.ports.storage import Storage
from loopwright.rollout.records import VariantEvidence
from loopwright.traffic.summary import LATENCY_EDGES_MS, WindowSummary, merge, summaries_folder


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


def evidence(windows: Iterable[WindowSummary], version: int) -> VariantEvidence:
    """What was seen of one version in these windows."""
    own = [one for one in windows if one.version == version]
    merged = merge(own)
    if merged is None:
        return VariantEvidence()
    errors = sum(merged.errors.values())
    return VariantEvidence(requests=asked(own), errors=errors, p99_ms=latency_quantile(merged.latency, 0.99))


def asked(windows: Iterable[WindowSummary]) -> int:
    """How many requests came, answered and failed ones."""
    return sum(one.requests + sum(one.errors.values()) for one in windows)


def latency_quantile(counts: tuple[int, ...], share: float) -> float | None:
    """The upper edge (ms) of the bucket in which the quantile lies: at most 20 % too high. None with no counts."""
    total = sum(counts)
    if total == 0:
        return None
    place = int(np.searchsorted(np.cumsum(counts), share * total))
    return LATENCY_EDGES_MS[min(place, len(LATENCY_EDGES_MS) - 1)]


def _read(storage: Storage, key: str) -> WindowSummary:
    try:
        return from_json(storage.get(key), WindowSummary)
    except ValueError as error:
        raise StorageError(f"{key} is no summary: {error}", remedy="it is damaged: delete it") from error
