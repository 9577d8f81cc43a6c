"""A steady load on a server, and what became of every single request."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

CONNECTIONS = 16
PATIENCE = 20.0


@dataclass(slots=True)
class Sent:
    """One request for the row at `x`. `status` 0: its answer never came. `at` is when it ended, of `time.time()`."""

    prediction_id: str
    x: float
    at: float = 0.0
    status: int = 0
    version: int = 0
    value: float | None = None


@dataclass(slots=True)
class Load:
    """`rate` requests a second over `CONNECTIONS` connections, one row each."""

    port: int
    rate: int
    rows: list[dict[str, Any]]
    timeout_ms: int | None = None
    sent: list[Sent] = field(default_factory=list)
    _stopped: bool = False

    async def run(self, during: Callable[[], None]) -> None:
        """Send for as long as `during`, which disturbs the server from a thread, takes."""
        clients = [asyncio.create_task(self._client(number)) for number in range(CONNECTIONS)]
        try:
            await asyncio.to_thread(during)
        finally:
            self._stopped = True
            await asyncio.gather(*clients)

    async def _client(self, number: int) -> None:
        connection = _Connection(self.port)
        due = time.perf_counter() + number / self.rate
        while not self._stopped:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            due = max(due + CONNECTIONS / self.rate, time.perf_counter())
            row = self.rows[len(self.sent) % len(self.rows)]
            one = Sent(f"p{len(self.sent)}", row["x"])
            self.sent.append(one)
            # A request without an answer stays what it is: a client that tried again would hide the loss.
            with suppress(OSError, EOFError, TimeoutError, ValueError):
                await asyncio.wait_for(connection.ask(one, row, self.timeout_ms), PATIENCE)
            one.at = time.time()
            if one.status == 0:
                connection.close()
        connection.close()


class _Connection:
    """A kept-alive connection, opened anew where the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, one: Sent, row: dict[str, Any], timeout_ms: int | None) -> None:
        if self._streams is None or self._streams[0].at_eof():
            self.close()
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        body = json.dumps([row]).encode()
        head = f"POST /endpoints/chaos/invocations HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        head += f"X-Loopwright-Prediction-Id: {one.prediction_id}\r\n"
        head += f"X-Request-Timeout-Ms: {timeout_ms}\r\n\r\n" if timeout_ms else "\r\n"
        writer.write(head.encode() + body)
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        answer = json.loads(await reader.readexactly(int(headers["content-length"])))
        if status.split()[1] == "200":
            one.version, one.value = int(headers["x-loopwright-version"]), answer["predictions"][0]
        one.status = int(status.split()[1])
        if headers.get("connection") == "close":
            self.close()

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
