"""Things measured in turns: A B C, A B C, … so that what disturbs the machine disturbs them alike."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from serving.load import Load, closed, open_
from serving.machine import Cores
from serving.servers import CannotStartError, Plan, Running, processor_seconds, running

Measure = Callable[[Running], Load]


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long and how often is measured, in seconds. Before a measurement servers get time to `settle`: ours writes
    down within a second what it has answered.
    """

    rounds: int = 5
    seconds: float = 5.0
    warm: float = 1.0
    settle: float = 1.5


def in_turns(turns: Mapping[str, Callable[[], Load]], rounds: int) -> tuple[dict[str, list[Load]], dict[str, str]]:
    """Loads by name, one a round, and the reasons why some were left out."""
    found: dict[str, list[Load]] = {name: [] for name in turns}
    reasons: dict[str, str] = {}
    for number in range(rounds):
        for name, turn in turns.items():
            if name not in reasons:
                try:
                    found[name].append(turn())
                    _say(number, name, found[name][-1])
                except (CannotStartError, OSError) as error:
                    reasons[name] = str(error)
                    print(f"  {name} is left out: {error}", file=sys.stderr)
    return {name: loads for name, loads in found.items() if name not in reasons}, reasons


@contextmanager
def up(plans: Sequence[Plan], cores: Cores) -> Iterator[dict[str, Running]]:
    """The plans' servers by name, all of them up at once; those that share a process are asked in it."""
    with ExitStack() as stack:
        servers: dict[str, Running] = {}
        for plan in plans:
            host = servers.get(plan.shares)
            servers[plan.name] = host.asked(plan) if host else stack.enter_context(running(plan, cores.server))
        yield servers


def visited(plan: Plan, cores: Cores, measure: Measure) -> Load:
    """A server that is up for its own turn only: some are busy when nothing is asked."""
    with running(plan, cores.server) as server:
        return measured(server, measure)


def measured(server: Running, measure: Measure, *, strict: bool = True) -> Load:
    """Raises `CannotStartError` where a request was not answered with 200; where not `strict`, if none was."""
    load = measure(server)
    if load.failures == load.answers or (strict and load.failures):
        raise CannotStartError(f"of {load.answers} requests under load {load.failures} failed")
    return load


def saturate(connections: int, pace: Pace) -> Measure:
    """As much as goes in over so many connections."""

    def measure(server: Running) -> Load:
        time.sleep(pace.settle)
        closed(server.port, server.plan.requests, connections, pace.warm)
        return _watched(server, lambda: closed(server.port, server.plan.requests, connections, pace.seconds))

    return measure


def at_rate(rate: float, connections: int, pace: Pace) -> Measure:
    """The given requests a second, at random moments that are the same for each server."""

    def measure(server: Running) -> Load:
        time.sleep(pace.settle)
        requests = server.plan.requests
        open_(server.port, requests, connections, rate, pace.warm, seed=1)
        return _watched(server, lambda: open_(server.port, requests, connections, rate, pace.seconds))

    return measure


def rates(loads: Iterable[Load]) -> list[float]:
    return [one.rate for one in loads]


def _watched(server: Running, load: Callable[[], Load]) -> Load:
    processes = server.processes
    before = processor_seconds(processes)
    found = load()
    return replace(found, processor=1e6 * (processor_seconds(processes) - before) / max(1, found.answers))


def _say(number: int, name: str, load: Load) -> None:
    p50, p99 = load.latency(0.5) / 1000, load.latency(0.99) / 1000
    print(
        f"  round {number + 1} {name:<36} {load.rate:>9,.1f}/s  {p50:7.2f} / {p99:7.2f} ms  {load.processor:8,.0f} µs",
        file=sys.stderr,
    )
