"""Bike demand, on the real hours: the model as it stands, and the first two months of the replay."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import loopwright

from .conftest import EXAMPLES


def test_two_months_of_2012_renew_the_model_without_a_failed_request(data_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "bike_demand" / "replay.py"), "--from", str(data_folder)]
    done = subprocess.run(
        [*command, "--months", "2", "--report", str(tmp_path)], capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    months = json.loads((tmp_path / "months.json").read_text())
    assert [one["name"] for one in months] == ["2012-01", "2012-02"]
    assert [one["version"] for one in months] == [1, 2], f"the first month's champion must serve the second: {months}"
    assert months[0]["renewed"] == pytest.approx(months[0]["first"]), "in the first month both are version 1"
    assert months[1]["renewed"] < months[1]["first"]
    assert all(one["drift"] and one["promoted"] and one["run"] == "succeeded" for one in months)
    assert all(one["sent"] > 100 and one["failed"] == 0 for one in months)
    report = (tmp_path / "report.md").read_text()
    assert re.search(r"\| 2012-02 \| 692 \| version 2 \|", report)
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


def test_the_model_learns_both_years(example: Callable[[str], Path]) -> None:
    with loopwright.open(example("bike_demand"), tracking="off") as project:
        run = project.run()
        assert run.status == "succeeded", run.summary
        assert project.champion().metrics["rmse"] < 80
