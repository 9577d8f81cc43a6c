"""Loopwright: models in production that stay good.

The names here are resolved when first used, so that importing the package does nothing and is fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loopwright.bootstrap.session import open
    from loopwright.declare import Model
    from loopwright.policies.alerts import AlertRule, Alerts
    from loopwright.policies.gate import Fairness, Gate, Replay
    from loopwright.policies.retraining import Decay, Drift, Governor, NewData, Schedule
    from loopwright.policies.rollout import ABTest, BlueGreen, Canary, Capture, Rolling, Shadow
    from loopwright.policies.training import Split, Threshold
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
    return getattr(importlib.import_module(_ROOMS[name]), name)


_NAMES = {
    "loopwright.bootstrap.session": ("open",),
    "loopwright.declare": ("Model",),
    "loopwright.policies.alerts": ("AlertRule", "Alerts"),
    "loopwright.policies.gate": ("Fairness", "Gate", "Replay"),
    "loopwright.policies.retraining": ("Decay", "Drift", "Governor", "NewData", "Schedule"),
    "loopwright.policies.rollout": ("ABTest", "BlueGreen", "Canary", "Capture", "Rolling", "Shadow"),
    "loopwright.policies.training": ("Split", "Threshold"),
    "loopwright.simulation.service": ("simulate",),
}
_ROOMS = {name: room for room, names in _NAMES.items() for name in names}
"""Where each of the names is."""
