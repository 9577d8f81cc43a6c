"""Threads beside the event loop: short turns while one works, Python's own when none does."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread, get_native_id

import pytest

from loopwright.serving.threads import NICE, SLICE_NANOSECONDS, TURN_SECONDS, ShortTurns, give_way


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities of single threads")
@pytest.mark.parametrize("more", [0, 3, 19])
def test_a_thread_that_gives_way_is_alone_in_it(more: int) -> None:
    """Also where the process gives way to others already: by `more`."""
    found: list[tuple[int, str]] = []

    def work() -> None:
        os.setpriority(os.PRIO_PROCESS, get_native_id(), before[0] + more)
        give_way()
        found.append((os.getpriority(os.PRIO_PROCESS, get_native_id()), slice_of_this_thread()))

    before = (os.getpriority(os.PRIO_PROCESS, get_native_id()), slice_of_this_thread())
    thread = Thread(target=work)
    thread.start()
    thread.join()
    ((nice, length),) = found
    assert nice == min(19, before[0] + more + NICE)
    if before[1] and tuple(map(int, platform.release().split(".")[:2])) >= (6, 12):
        assert length == str(SLICE_NANOSECONDS)
    assert (os.getpriority(os.PRIO_PROCESS, get_native_id()), slice_of_this_thread()) == before


def slice_of_this_thread() -> str:
    """In nanoseconds; empty where the kernel does not tell."""
    with suppress(OSError):
        lines = Path("/proc/thread-self/sched").read_text().splitlines()
        return next((line.split(":")[1].strip() for line in lines if line.startswith("se.slice")), "")
    return ""


def test_turns_are_short_while_something_works_and_as_before_afterwards() -> None:
    usual, turns = sys.getswitchinterval(), ShortTurns()
    with turns:
        assert abs(sys.getswitchinterval() - TURN_SECONDS) < 1e-6
        with turns:
            pass
        assert abs(sys.getswitchinterval() - TURN_SECONDS) < 1e-6
    assert sys.getswitchinterval() == usual


def test_turns_stay_short_until_the_last_of_several_threads_is_done() -> None:
    usual, turns, leave = sys.getswitchinterval(), ShortTurns(), Event()

    def work() -> None:
        with turns:
            leave.wait(10)

    thread = Thread(target=work)
    with turns:
        thread.start()
        while turns._working < 2:
            pass
    assert sys.getswitchinterval() < usual
    leave.set()
    thread.join()
    assert sys.getswitchinterval() == usual
