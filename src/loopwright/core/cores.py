"""How many cores this process may use: fewer than the machine has, where it is pinned or lives in a container."""

from __future__ import annotations

import math
import os
from pathlib import Path

QUOTAS = (Path("/sys/fs/cgroup/cpu.max"), Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"))
"""Where Linux says how much time a container gets in a period: cgroup v2; v1, its period in a file beside."""


def available_cores() -> int:
    """Cores to plan threads by, at least 1: those this process may run on, or its container's share where that is less.

    A container limited to 1.5 cores has 2: half a core more than it may use for long, but none less.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares = [share for path in QUOTAS if (share := _share(path)) is not None]
    return max(1, min([allowed, *(math.ceil(share) for share in shares)]))


def _share(path: Path) -> float | None:
    """The cores that the quota in `path` grants; None where there is none."""
    try:
        words = path.read_text(encoding="ascii").split()
        if path.name != "cpu.max":
            words.append((path.parent / "cpu.cfs_period_us").read_text(encoding="ascii"))
        quota, period = (float(word) for word in words)
    except (OSError, ValueError):  # no such file, or `max`
        return None
    return quota / period if quota > 0 else None
