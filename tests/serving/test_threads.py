"""Threads beside the event loop: low priorities, long slices, short turns at the interpreter."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread, get_native_id

import pytest

from loopwright.serving.threads import (
    MOST_LATE,
    NICE,
    PIECE_SECONDS,
    SLICE_NANOSECONDS,
    TURN_SECONDS,
    Turns,
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


def test_a_turn_comes_from_the_loop_and_ends_after_a_piece_of_work(patient: None) -> None:
    with a_loop() as (loop, held):
        turns = Turns(loop, 3600, Event())
        for _ in range(3):
            turns.rest()
            before = len(held)
            work(2 * PIECE_SECONDS)
            assert len(held) == before  # the loop waits meanwhile
        turns.end()
        held.clear()
        until(lambda: len(held) > 5)  # and goes on


def test_a_young_turn_is_not_over(patient: None) -> None:
    with a_loop() as (loop, held):
        turns = Turns(loop, 3600, Event())
        turns.rest()
        before = len(held)
        turns.rest()
        assert len(held) == before
        turns.end()


def test_a_turn_that_takes_too_long_does_not_keep_the_loop_nor_spoil_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    with a_loop() as (loop, held):
        turns = Turns(loop, 3600, Event())
        turns.rest()
        held.clear()
        until(lambda: len(held) > 5)
        monkeypatch.setattr("loopwright.serving.threads.LONGEST_SECONDS", 20)
        work(2 * PIECE_SECONDS)
        turns.rest()
        before = len(held)
        work(2 * PIECE_SECONDS)
        assert len(held) == before
        turns.end()


def test_there_are_no_more_turns_where_several_in_a_row_took_too_long() -> None:
    with a_loop() as (loop, held):
        turns = Turns(loop, 3600, Event())
        for _ in range(MOST_LATE):
            turns.rest()
            held.clear()
            until(lambda: len(held) > 5)
            work(2 * PIECE_SECONDS)
        turns.rest()
        held.clear()
        until(lambda: len(held) > 5)  # the thread has no turn: nobody waits for it
        turns.end()


@pytest.mark.parametrize("hurry", [True, False], ids=["in-a-hurry", "late"])
def test_there_are_no_turns_in_a_hurry_or_late(hurry: bool) -> None:
    stopping = Event()
    with a_loop() as (loop, held):
        turns = Turns(loop, 3600 if hurry else 0, stopping)
        if hurry:
            stopping.set()
        turns.rest()
        held.clear()
        until(lambda: len(held) > 5)
        turns.end()


def test_a_loop_that_is_closed_gives_no_turns() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    turns = Turns(loop, 3600, Event())
    turns.rest()
    turns.end()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop waits as long as a slow machine needs."""
    monkeypatch.setattr("loopwright.serving.threads.LONGEST_SECONDS", 20)


@contextmanager
def a_loop() -> Iterator[tuple[asyncio.AbstractEventLoop, list[int]]]:
    """A loop in a thread of its own, and what grows as long as it is not held up."""
    loop, beats = asyncio.new_event_loop(), list[int]()

    def beat() -> None:
        beats.append(1)
        loop.call_later(0.0001, beat)

    loop.call_soon(beat)
    thread = Thread(target=loop.run_forever)
    thread.start()
    yield loop, beats
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def until(happens: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < end
        time.sleep(0.001)


def work(seconds: float) -> None:
    """Of the processor's."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
