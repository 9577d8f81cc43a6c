"""Requests' bodies, within bounds of size, time and memory."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from loopwright.errors import HostingError, RequestError
from loopwright.serving.http import SMALL, Request

HELD = 4
"""So many of the largest bodies may be in memory at once."""


class BodyTooLargeError(RequestError):
    """The body is larger than this server takes."""


class SlowBodyError(RequestError):
    """The body did not come in time."""


class Bodies:
    """Reads bodies of `limit` bytes at most, each within `seconds`."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self._seconds = seconds
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._late: set[asyncio.Task[Any]] = set()
        self._held = 0

    async def read(self, request: Request) -> bytes:
        """The body's bytes. Raises `BodyTooLargeError` before more than the limit is in memory, `SlowBodyError`,
        `ClosedError` where it is cut off, and `HostingError` where too many large ones are in memory.
        """
        if request.complete and request.size <= SMALL:
            return request.body()
        task = asyncio.current_task()
        assert task is not None, "requests are answered in tasks"
        if request.length > self.limit:
            raise self._too_large()
        if request.length > SMALL:
            self._hold(request.length, task)
        self._reading[task] = time.perf_counter()
        try:
            return await self._whole(request, task, counted=request.length > SMALL)
        except asyncio.CancelledError:
            if task not in self._late:
                raise
            while task.uncancel():
                pass
            raise SlowBodyError(
                f"the body did not come within {self._seconds:g} s", remedy="send it faster, or fewer rows at once"
            ) from None
        finally:
            del self._reading[task]
            self._late.discard(task)

    def hold(self, size: int) -> None:
        """Count a body that has become so large, for as long as its request is in work. Raises `HostingError`."""
        task = asyncio.current_task()
        if size > SMALL and task is not None:
            self._hold(size, task)

    def give_up_slow(self) -> None:
        """Stop waiting for bodies whose time is over. To be called every now and then."""
        latest = time.perf_counter() - self._seconds
        for task in [task for task, began in self._reading.items() if began < latest]:
            self._late.add(task)
            task.cancel()

    async def _whole(self, request: Request, task: asyncio.Task[Any], *, counted: bool) -> bytes:
        """A body of no declared length is counted as the largest there may be as soon as it is no small one."""
        while True:
            if request.size > self.limit:
                raise self._too_large()
            if request.size > SMALL and not counted:
                self._hold(self.limit, task)
                counted = True
            if request.complete:
                return request.body()
            await request.more()

    def _hold(self, size: int, task: asyncio.Task[Any]) -> None:
        """Count a large body for as long as its request is in work."""
        if self._held + size > HELD * self.limit:
            raise HostingError("too many large bodies are in work", remedy="send them again a little later")
        self._held += size
        task.add_done_callback(lambda _: self._release(size))

    def _release(self, size: int) -> None:
        self._held -= size

    def _too_large(self) -> BodyTooLargeError:
        return BodyTooLargeError(
            f"the body is larger than {self.limit:,} bytes", remedy="send fewer rows at once, or use batch"
        )
