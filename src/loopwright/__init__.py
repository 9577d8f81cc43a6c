"""Loopwright: models in production that stay good.

The names here are resolved when first used, so that importing the package does nothing and is fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loopwright.bootstrap.session import open
    from loopwright.declare import (
        ABTest,
        AlertRule,
        Alerts,
        BlueGreen,
        Canary,
        Capture,
        Decay,
        Drift,
        Fairness,
        Gate,
        Governor,
        Model,
        NewData,
        Replay,
        Rolling,
        Schedule,
        Shadow,
        Split,
        Threshold,
    )
    from loopwright.simulation.service import simulate

__version__ = "0.1.0"

__all__ = [
    "ABTest",
    "AlertRule",
    "Alerts",
    "BlueGreen",
    "Canary",
    "Capture",
    "Decay",
    "Drift",
    "Fairness",
    "Gate",
    "Governor",
    "Model",
    "NewData",
    "Replay",
    "Rolling",
    "Schedule",
    "Shadow",
    "Split",
    "Threshold",
    "open",
    "simulate",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'loopwright' has no attribute {name!r}")
    return getattr(importlib.import_module(_ROOMS.get(name, "loopwright.declare")), name)


_ROOMS = {"open": "loopwright.bootstrap.session", "simulate": "loopwright.simulation.service"}
"""Where the names are that are not declared."""
