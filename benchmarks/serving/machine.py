"""The machine: which cores serve and which load, and what it is called."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Cores:
    """Where servers run (one core, but for the part that counts workers) and where the load generator does."""

    server: frozenset[int]
    load: int
    all: frozenset[int]

    @classmethod
    def choose(cls) -> Cores:
        """The first core for servers, the last one for load. Raises `SystemExit` where there is one only."""
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < 2:
            raise SystemExit("the benchmark needs two cores: one for servers, one for the load")
        return cls(server=frozenset(allowed[:1]), load=allowed[-1], all=frozenset(allowed))


@contextmanager
def precedence() -> Iterator[None]:
    """Servers and load go before the machine's other programs, where the system lets them (Linux, as root): what such
    a program takes for some milliseconds would be the slowest hundredth of all that is compared.
    """
    group = Path("/proc/self/autogroup")  # this session's: within it, priorities count only among its own
    before = None
    with suppress(OSError):
        before = group.read_text().rpartition(" ")[2].strip()
        group.write_text("-19")
        os.nice(-15)
    try:
        yield
    finally:
        with suppress(OSError):
            if before is not None:
                group.write_text(before)


def describe() -> str:
    """One line: processor, cores, memory, kernel, Python."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, {memory:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}"
