"""Bank marketing, on the real calls: a gate above the figure refuses and says why; the figure has its interval."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "loopwright.cli.main"]


def ask(folder: Path, *words: str) -> tuple[int, Any]:
    done = subprocess.run([*COMMAND, *words, "--json"], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_gate_above_the_figure_refuses_and_one_below_lets_it_live(
    example: Callable[[str], Path], rewrite: Callable[[Path, str, str], None]
) -> None:
    folder = example("bank_marketing")
    rewrite(folder / "bank.py", "at_least=0.6", "at_least=0.8")
    code, refused = ask(folder, "run")
    assert (code, refused["run"]["status"]) == (1, "refused")
    assert re.search(r"roc_auc 0\.6\d* \[0\.\d+, 0\.\d+\] is not at least 0\.8", refused["run"]["summary"])
    assert ask(folder, "models") == (0, [])
    assert ask(folder, "status")[1]["endpoints"] == []

    rewrite(folder / "bank.py", "at_least=0.8", "at_least=0.6")
    code, passed = ask(folder, "run")
    assert (code, passed["run"]["status"]) == (0, "succeeded")
    assert "duration" not in passed["stages"]["candidate"]["features"]
    report = passed["stages"]["evaluation_report"]
    figure = report["metrics"]["candidate"]["roc_auc"]
    assert report["rows"] == 8238
    assert 0.58 < figure["low"] < 0.6 < figure["value"] < figure["high"] < 0.66
    assert ask(folder, "models")[1][0]["aliases"] == ["champion"]
