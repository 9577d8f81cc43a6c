"""The machine: which cores serve and which load, and what it is called."""

from __future__ import annotations

import os
import platform
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


def describe() -> str:
    """One line: processor, cores, memory, kernel, Python."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, {memory:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}"
