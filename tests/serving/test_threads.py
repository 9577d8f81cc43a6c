"""Threads beside the event loop: short turns while one works, Python's own when none does."""

from __future__ import annotations

import sys
from threading import Event, Thread

from loopwright.serving.threads import TURN_SECONDS, ShortTurns


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
