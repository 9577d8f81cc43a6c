"""The package's face: a few names, resolved lazily; nothing heavy is imported by importing it."""

from __future__ import annotations

import subprocess
import sys

import loopwright
from loopwright import errors


def test_the_public_names_are_these() -> None:
    assert loopwright.__all__ == [
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
    assert all(getattr(loopwright, name) is not None for name in loopwright.__all__)


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys, loopwright; print([m for m in sys.modules if m.startswith('loopwright.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_declaring_a_model_imports_no_heavy_library() -> None:
    code = (
        "import sys; from loopwright import Model; print({'polars', 'mlflow', 'lightgbm', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_every_error_is_drawn_in_the_tree_and_exported() -> None:
    kinds = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.LoopwrightError)
    }
    assert set(errors.__all__) == kinds
    assert all(name in (errors.__doc__ or "") for name in kinds)
