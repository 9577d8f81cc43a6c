"""A live platform: what is awaited comes, or its absence is an error, as is a platform that ends meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from loopwright.demo import live
from loopwright.demo.live import LivePlatform
from loopwright.errors import LoopwrightError


class StandIn:
    """In place of `Up`: runs until stopped, or until it breaks."""

    breaks = False

    def __init__(self, platform: object, tell: Callable[[str], None]) -> None:
        self.tell, self.stopping = tell, threading.Event()

    def start(self) -> None:
        self.tell("started")

    def run(self) -> None:
        if self.breaks:
            raise LoopwrightError("the disk is full")
        self.stopping.wait()

    def stop(self) -> None:
        self.stopping.set()


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    monkeypatch.setattr(live, "Up", StandIn)
    monkeypatch.setattr(StandIn, "breaks", False)
    return StandIn


def test_what_is_awaited_is_given_as_soon_as_it_is_there() -> None:
    looks = iter([None, None, "drift"])
    with LivePlatform(None) as platform:  # type: ignore[arg-type]
        assert platform.until("drift", lambda: next(looks), seconds=10) == "drift"
        assert platform.said == ["started"]


def test_what_does_not_come_is_an_error_that_names_it() -> None:
    with LivePlatform(None) as platform, pytest.raises(LoopwrightError, match=r"drift did not come within 0\.2"):  # type: ignore[arg-type]
        platform.until("drift", lambda: None, seconds=0.2)


def test_a_platform_that_ends_is_not_waited_for(stand_in: type[StandIn]) -> None:
    stand_in.breaks = True
    with LivePlatform(None) as platform, pytest.raises(LoopwrightError, match="drift was awaited: the disk is full"):  # type: ignore[arg-type]
        platform.until("drift", lambda: None, seconds=60)
