"""Threads beside the event loop: low priorities, long slices, short turns at the interpreter."""

from __future__ import annotations

import os
import platform
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread, get_native_id

import pytest

from loopwright.serving.threads import (
    NICE,
    PIECE_SECONDS,
    REST,
    SLICE_NANOSECONDS,
    TURN_SECONDS,
    Rests,
    give_way,
    take_short_turns,
)


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


def test_rests_end_when_their_time_is_over_or_there_is_hurry() -> None:
    hurry, rests = Event(), []
    hurry.wait = lambda timeout=None: bool(rests.append(timeout))  # type: ignore[method-assign]
    rest = Rests(3600, hurry)
    rest()
    assert not rests
    work(3 * PIECE_SECONDS)
    rest()
    rest()
    assert len(rests) == 1
    assert rests[0] >= REST * 3 * PIECE_SECONDS
    late = Rests(0, hurry)
    work(3 * PIECE_SECONDS)
    late()
    assert len(rests) == 1


def work(seconds: float) -> None:
    """Of the processor's."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
