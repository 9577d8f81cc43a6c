"""A door is opened again when it ends, later each time that it ends soon; and closed without being left behind."""

from __future__ import annotations

import os
import signal
import sys
import threading

import pytest

from loopwright.bootstrap.door import STEADY, Door
from loopwright.core.clock import SystemClock
from loopwright.errors import HostingError

ENDS = [sys.executable, "-c", "raise SystemExit(3)"]
STAYS = [sys.executable, "-c", "import sys; sys.stdin.read()"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, sys; signal.signal(15, lambda *_: None); print('up', flush=True); sys.stdin.read()",
]
NOWHERE = "http://127.0.0.1:9/healthz"


@pytest.fixture
def door(tmp_path, clock):
    """Make a door of a command, and open it; whatever was opened is closed."""
    made = []

    def make(command, clock=clock):
        made.append(Door("test door", command, NOWHERE, tmp_path / "logs" / "door.log", clock))
        made[-1].open(tmp_path, os.environ)
        return made[-1]

    yield make
    for one in made:
        one.close()


def ended(door):
    door.process.wait(timeout=30)
    return door.look()


def test_a_door_that_stands_open_is_left_alone(door):
    opened = door(STAYS)
    assert opened.look() == ""
    opened.close()
    assert opened.process.returncode == -signal.SIGTERM


def test_it_is_told_once_how_it_ended_and_opened_when_its_pause_is_over(door, clock):
    opened = door(ENDS)
    first = opened.process.pid
    assert "the test door ended with status 3; it is opened again in 0.5 s" in ended(opened)
    assert opened.look() == ""
    assert opened.process.pid == first
    clock.sleep(0.5)
    assert opened.look() == ""
    assert opened.process.pid != first


def test_pauses_grow_while_it_ends_soon_up_to_half_a_minute(door, clock):
    opened = door(ENDS)
    pauses = []
    for _ in range(9):
        pauses.append(ended(opened).partition("again in ")[2].partition(" s")[0])
        clock.sleep(30)
        opened.look()
    assert pauses == ["0.5", "1", "2", "4", "8", "16", "30", "30", "30"]


def test_one_that_stood_for_long_is_opened_again_at_once(door, clock):
    opened = door(STAYS)
    clock.sleep(STEADY.total_seconds())
    os.kill(opened.process.pid, signal.SIGKILL)
    assert "was ended by SIGKILL; it is opened again in 0.25 s" in ended(opened)


def test_one_that_does_not_open_says_what_it_said_last(door):
    opened = door([sys.executable, "-c", "import sys; sys.exit('the disk is on fire')"], clock=SystemClock())
    with pytest.raises(HostingError, match="the disk is on fire"):
        opened.wait(threading.Event())


def test_nobody_waits_for_it_once_all_is_to_stop(door):
    stopping = threading.Event()
    stopping.set()
    door(STAYS).wait(stopping)


def test_one_that_will_not_end_is_killed(door, monkeypatch):
    monkeypatch.setattr("loopwright.bootstrap.door.CLOSE_SECONDS", 0.2)
    opened = door(STUBBORN)
    while "up" not in opened.log.read_text():
        assert opened.process.poll() is None
    opened.close()
    assert opened.process.returncode == -signal.SIGKILL


def test_a_log_that_has_grown_large_is_put_aside(door, monkeypatch, tmp_path):
    monkeypatch.setattr("loopwright.bootstrap.door.LOG_BYTES", 10)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "door.log").write_text("many words were said")
    door(STAYS)
    assert (tmp_path / "logs" / "door.old.log").read_text() == "many words were said"
    assert (tmp_path / "logs" / "door.log").read_text() == ""
