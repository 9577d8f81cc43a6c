"""Requests' bodies, within bounds of size, time and memory."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from loopwright.errors import HostingError, RequestError
from loopwright.serving.rsgi import Headers, HTTPProtocol

SMALL = 64 * 1024
"""Bodies up to this size are not counted: all that can be read at once are few bytes together."""

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

    async def read(self, headers: Headers, proto: HTTPProtocol) -> bytes:
        """The body's bytes. Raises `BodyTooLargeError` before more than the limit is in memory, `SlowBodyError`,
        `RequestError` where it is cut off, and `HostingError` where too many large ones are in memory.
        """
        task = asyncio.current_task()
        assert task is not None, "requests are answered in tasks"
        declared = headers.get("content-length")
        size = self.limit if declared is None else int(declared)  # the HTTP library has refused what is no number
        if size > self.limit:
            raise self._too_large()
        if declared is not None and size > SMALL:
            self._hold(size, task)
        self._reading[task] = time.perf_counter()
        try:
            return await proto() if declared is not None else await self._chunks(proto, task)
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

    async def _chunks(self, proto: HTTPProtocol, task: asyncio.Task[Any]) -> bytes:
        """A body of no declared length. Granian ends a whole one by one empty chunk, one that is cut off by two."""
        chunks, size, empty = [], 0, 0
        async for chunk in proto:
            size += len(chunk)
            empty += not chunk
            if size > self.limit:
                raise self._too_large()
            if size > SMALL >= size - len(chunk):
                self._hold(self.limit, task)
            chunks.append(chunk)
        if empty > 1:
            raise RequestError("the body ended before its time, or with trailers", remedy="send it whole")
        return b"".join(chunks)

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
