"""Workers tell each other what they counted; what the dead ones counted stays as long as the server lives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from loopwright.serving.colleagues import Colleagues, meeting_place
from loopwright.serving.totals import Tally, Totals

LABELS = ("demand", "champion", 1)


def colleague(folder: Path, requests: int, in_flight: float) -> Colleagues:
    totals = Totals()
    totals.tallies[LABELS] = Tally(requests=requests)
    return Colleagues(folder, totals, lambda: {"requests_in_flight": in_flight, "capture_lag_seconds": in_flight})


def figure(text: str, name: str) -> float:
    (line,) = [line for line in text.splitlines() if line.startswith(f"loopwright_{name}{{")]
    return float(line.rsplit(" ", 1)[1])


def told_by(folder: Path, pid: int, requests: int, in_flight: float) -> None:
    colleague(folder, requests, in_flight).tell()
    own = folder / f"{os.getpid()}.json"
    other = folder / f"{pid}.json"
    other.write_text(own.read_text().replace(f'"pid":{os.getpid()}', f'"pid":{pid}'))
    own.unlink()


def test_counts_of_all_are_added_and_gauges_of_the_living(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with meeting_place(tmp_path) as folder:
        told_by(folder, os.getppid(), 20, 3)
        told_by(folder, ended.pid, 100, 50)
        text = colleague(folder, 1, 2).prometheus("s")
    assert figure(text, "requests_total") == 121
    assert (figure(text, "workers"), figure(text, "requests_in_flight")) == (2, 5)
    assert figure(text, "capture_lag_seconds") == 3


def test_the_place_goes_with_the_server_and_those_of_killed_ones_are_cleared(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f"totals-{ended.pid}-abc"
    left.mkdir()
    (left / "1.json").write_bytes(b"{}")
    living = tmp_path / f"totals-{os.getppid()}-abc"
    living.mkdir()
    with meeting_place(tmp_path) as folder:
        assert folder.is_dir()
        assert not left.exists()
    assert sorted(tmp_path.iterdir()) == [living]


def test_a_worker_without_a_place_speaks_for_itself() -> None:
    totals = Totals()
    totals.tallies[LABELS] = Tally(requests=7)
    alone = Colleagues(None, totals, dict)
    alone.tell()
    assert figure(alone.prometheus("s"), "requests_total") == 7
