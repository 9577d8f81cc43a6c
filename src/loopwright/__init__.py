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
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'loopwright' has no attribute {name!r}")
    room = "loopwright.bootstrap.session" if name == "open" else "loopwright.declare"
    return getattr(importlib.import_module(room), name)
