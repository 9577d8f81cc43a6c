"""Threads beside the event loop: low priorities, long slices, short turns at the interpreter."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from pathlib import Path
from threading import Thread, get_native_id

import pytest

from loopwright.serving.threads import NICE, SLICE_NANOSECONDS, TURN_SECONDS, give_way, take_short_turns


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


def test_turns_are_short() -> None:
    usual = sys.getswitchinterval()
    try:
        take_short_turns()
        assert abs(sys.getswitchinterval() - TURN_SECONDS) < 1e-6
    finally:
        sys.setswitchinterval(usual)
