"""A short run of each scenario of `benchmarks/chaos.py`: no request is lost, and none is answered wrongly."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

CHAOS = Path(__file__).parents[2] / "benchmarks" / "chaos.py"
SCENARIOS = ("revisions", "kill", "control", "store", "corrupt", "raises", "sleeps", "hangs")

Runs = dict[str, Future[subprocess.CompletedProcess[str]]]


@pytest.fixture(scope="module")
def runs() -> Runs:
    """All of them, three at a time: most of the while they wait."""

    def run(name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(CHAOS), "--seconds", "3", "--rate", "150", "--only", name]
        return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)

    pool = ThreadPoolExecutor(3)
    return {name: pool.submit(run, name) for name in SCENARIOS}


@pytest.mark.parametrize("name", SCENARIOS)
def test_promises_are_kept_when(runs: Runs, name: str) -> None:
    done = runs[name].result()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "answered" in done.stdout
