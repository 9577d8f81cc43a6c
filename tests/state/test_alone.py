"""One at a time, on both databases, across processes; and a dead one holds nobody up."""

from __future__ import annotations

import subprocess
import sys

from loopwright.state.alone import alone
from loopwright.state.engine import State

HOLDER = """
import sys
from loopwright.state.alone import alone
from loopwright.state.engine import State

with alone(State(sys.argv[1]), "tracking") as ours:
    print(ours, flush=True)
    sys.stdin.read()
"""


def test_of_two_at_once_one_is_told_no(state: State, state_url: str) -> None:
    other = State(state_url)
    with alone(state, "tracking") as first, alone(other, "tracking") as second, alone(other, "else") as third:
        assert (first, second, third) == (True, False, True)
    with alone(other, "tracking") as now:
        assert now
    other.close()


def test_a_killed_holder_holds_nobody_up(state: State, state_url: str) -> None:
    words = [sys.executable, "-c", HOLDER, state_url]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        with alone(state, "tracking") as ours:
            assert not ours
        holder.kill()
        holder.wait()
    for _ in range(100):  # PostgreSQL notices the lost connection in its own time
        with alone(state, "tracking") as ours:
            if ours:
                return
    raise AssertionError("still held")
