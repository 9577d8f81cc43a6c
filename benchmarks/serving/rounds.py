"""Servers measured in turns: A B C, A B C, … so that what disturbs the machine disturbs them alike."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from serving.load import Load, closed, open_
from serving.machine import Cores
from serving.servers import CannotStartError, Plan, Running, running

Measure = Callable[[Running], Load]
SETTLE_SECONDS = 1.5
"""Between two measurements: our server writes down within a second what it has answered."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long and how often is measured. Seconds."""

    rounds: int = 5
    seconds: float = 5.0
    warm: float = 1.0


def in_turns(
    plans: Sequence[Plan], cores: Cores, pace: Pace, measure: Measure, *, visiting: Sequence[Plan] = ()
) -> tuple[dict[str, list[Load]], dict[str, str]]:
    """Loads by plan, one a round, and the reasons why plans were left out.

    `plans` are up all the time; `visiting` ones, which are not idle when nothing is asked, only for their own turn.
    """
    found: dict[str, list[Load]] = {}
    reasons: dict[str, str] = {}
    with ExitStack() as stack:
        servers = [stack.enter_context(running(plan, cores.server)) for plan in plans]
        for number in range(pace.rounds):
            for server in servers:
                _add(found, server.plan, measured(server, measure), number)
            for plan in visiting:
                if plan.name not in reasons:
                    _visit(plan, cores, measure, number, found, reasons)
    for name in reasons:
        found.pop(name, None)
    return found, reasons


def saturate(connections: int, pace: Pace) -> Measure:
    """As much as goes in over so many connections."""

    def measure(server: Running) -> Load:
        closed(server.port, server.plan.requests, connections, pace.warm)
        return closed(server.port, server.plan.requests, connections, pace.seconds)

    return measure


def at_rate(rate: float, connections: int, pace: Pace) -> Measure:
    """The given requests a second, at random moments that are the same for each server."""

    def measure(server: Running) -> Load:
        open_(server.port, server.plan.requests, connections, rate, pace.warm, seed=1)
        return open_(server.port, server.plan.requests, connections, rate, pace.seconds)

    return measure


def measured(server: Running, measure: Measure) -> Load:
    """Raises `CannotStartError` where a request was not answered with 200."""
    time.sleep(SETTLE_SECONDS)
    load = measure(server)
    if load.failures or not load.answers:
        raise CannotStartError(f"{load.failures} of {load.answers} requests failed under load")
    return load


def rates(loads: Iterable[Load]) -> list[float]:
    return [one.rate for one in loads]


def _visit(
    plan: Plan, cores: Cores, measure: Measure, number: int, found: dict[str, list[Load]], reasons: dict[str, str]
) -> None:
    try:
        with running(plan, cores.server) as server:
            _add(found, plan, measured(server, measure), number)
    except (CannotStartError, OSError) as error:
        reasons[plan.name] = str(error)
        print(f"  {plan.name} is left out: {error}", file=sys.stderr)


def _add(found: dict[str, list[Load]], plan: Plan, load: Load, number: int) -> None:
    found.setdefault(plan.name, []).append(load)
    p50, p99 = load.latency(0.5) / 1000, load.latency(0.99) / 1000
    print(f"  round {number + 1} {plan.name:<28} {load.rate:>9,.0f}/s  {p50:.2f} / {p99:.2f} ms", file=sys.stderr)
