"""The demonstration, whole: `loopwright demo` with no terminal plays its story on a real platform, and ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-m", "loopwright.cli.main", "demo"]


def test_the_story_happens_and_leaves_its_project(tmp_path: Path) -> None:
    folder = tmp_path / "chain"
    done = subprocess.run(
        [*COMMAND, "--json", "--seed", "7", "--folder", str(folder)], capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ending = json.loads(done.stdout)
    assert (ending["seed"], ending["first"], ending["second"]) == (7, 1, 2)
    assert ending["second_error"] < 0.8 * ending["first_error"]
    assert ending["requests"] > 200
    assert ending["failed"] == 0
    assert {"demand.py", "loopwright.toml", "contracts", "data"} <= {path.name for path in folder.iterdir()}


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = subprocess.run([*COMMAND, "--folder", str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
