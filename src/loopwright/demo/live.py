"""A platform that runs in this process while somebody tells about it: started, followed, waited for, stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from loopwright.bootstrap.platform import Platform
from loopwright.bootstrap.up import Up
from loopwright.core.sockets import free_port
from loopwright.errors import LoopwrightError
from loopwright.rollout.records import Rollout
from loopwright.runs.records import ENDED, StageRecord

T = TypeVar("T")

QUICK_SETTINGS: dict[str, float] = {"window_seconds": 1, "tick_seconds": 0.5}
"""The platform's pace where days take seconds."""
PAUSE = 0.1
"""Seconds between two looks."""


class LivePlatform:
    """`loopwright up` in a thread. Use it as a context manager, which starts it and stops it in order."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.said: list[str] = []
        self._up = Up(platform, tell=self.said.append)
        self._thread = threading.Thread(target=self._run, name="platform")
        # Ctrl-C in the midst of `Thread.join(timeout)` makes Python 3.11 take the thread for ended; an event can wait.
        self._ended = threading.Event()
        self._fault: BaseException | None = None

    def __enter__(self) -> LivePlatform:
        self._up.start()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._up.stop()
        self._thread.join()

    @property
    def control_url(self) -> str:
        return f"http://{self.platform.settings.host}:{self.platform.settings.port}"

    def until(self, what: str, look: Callable[[], T | None], *, seconds: float) -> T:
        """What `look` finds, as soon as it finds something. Raises `LoopwrightError` where it does not in `seconds`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if (found := look()) is not None:
                return found
            if self._ended.wait(PAUSE):
                raise LoopwrightError(f"the platform ended while {what} was awaited: {self._fault}")
        raise LoopwrightError(
            f"{what} did not come within {seconds:g} seconds", remedy=f"it said last: {self.said[-1:] or 'nothing'}"
        )

    def stages(self, run_id: str, *, seconds: float) -> Iterator[StageRecord]:
        """The run's stages, each as soon as it has ended; done when the run has."""
        journal, told = self.platform.journal, 0

        def look() -> list[StageRecord] | None:
            ended = journal.get(run_id).status in ENDED
            ready = [one for one in journal.stages(run_id) if one.status != "running"][told:]
            return ready if ready or ended else None

        while found := self.until(f"the end of run {run_id}", look, seconds=seconds):
            yield from found
            told += len(found)

    def moves(self, rollout_id: str, *, seconds: float) -> Iterator[Rollout]:
        """The rollout at each of its steps, and as it ended."""
        last: tuple[str, int] | None = None

        def look() -> Rollout | None:
            now = self.platform.rollouts.get(rollout_id)
            return now if (now.status, now.step) != last else None

        while last is None or last[0] == "running":
            rollout = self.until(f"the next step of rollout {rollout_id}", look, seconds=seconds)
            last = (rollout.status, rollout.step)
            yield rollout

    def _run(self) -> None:
        try:
            self._up.run()
        except BaseException as error:  # noqa: BLE001 - told by `until` in the thread that waits
            self._fault = error
        finally:
            self._ended.set()


def free_ports() -> dict[str, float]:
    """Settings of ports on which nobody listens: the usual ones, or any."""
    return {name: _free_port(usual) for name, usual in (("port", 8400), ("inference_port", 8401))}


def _free_port(usual: int) -> int:
    try:
        return free_port(port=usual)
    except OSError:
        return free_port()
