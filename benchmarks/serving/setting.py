"""What all parts share: where is measured, and our server beside the ceiling."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from serving.figures import Figure, figure, left_out, ratio
from serving.load import Load
from serving.machine import Cores
from serving.models import Store
from serving.plans import Asked, ours
from serving.rounds import Measure, Pace, measured, rates
from serving.servers import Plan, Running

CONNECTIONS = 32
CAPTURED, BARE, CEILING = "loopwright, capture 100 %", "loopwright, no capture", "ceiling"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Where, how long and beside whom is measured; `cache` keeps the peers' environments."""

    store: Store
    cores: Cores
    pace: Pace
    peers: Sequence[str]
    cache: Path


def both(setting: Setting, questions: Asked) -> list[Plan]:
    """Our server with and without capture; summaries are on in both."""
    return [
        ours(setting.store, questions, name=CAPTURED),
        ours(setting.store, questions, capture=0.0, name=BARE),
    ]


def each(servers: Mapping[str, Running], measure: Measure, *, strict: bool = True) -> dict[str, Callable[[], Load]]:
    """A turn for each server; a `strict` one may refuse nothing."""
    return {name: partial(measured, server, measure, strict=strict) for name, server in servers.items()}


def rate_figures(part: str, loads: Mapping[str, Sequence[Load]], reasons: Mapping[str, str]) -> list[Figure]:
    """Requests a second by name, and who is left out."""
    found = [figure(part, name, "/s", rates(one)) for name, one in loads.items()]
    return found + [left_out(part, name, reason) for name, reason in reasons.items()]


def by_processor(part: str, name: str, other: str, loads: Mapping[str, Sequence[Load]]) -> Figure:
    """The ratio of two rates as it would be if each had a core to itself: by the processor time of an answer."""
    spent = [[one.processor for one in loads[which]] for which in (other, name)]
    return ratio(part, f"{name} / {other}, by processor time", *spent)


def latencies(loads: Sequence[Load], quantile: float) -> list[float]:
    """Microseconds, one for each load."""
    return [one.latency(quantile) for one in loads]
