"""HTTP/1.1 on a worker's event loop: requests in, replies out, within bounds of size and time.

One thread does it all, so that a request costs no change of threads. What is HTTP and what is not, httptools says.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache, partial
from http import HTTPStatus
from pathlib import Path
from types import coroutine
from typing import Any
from urllib.parse import unquote

import httptools
import orjson

MOST_HEADERS = 100
MOST_HEAD = 64 * 1024
"""Bytes of a request line and its headers."""

AHEAD = 64 * 1024
"""So many bytes of a body, and so many requests behind the one at work, are taken in before somebody wants them."""
REQUESTS_AHEAD = 32

SMALL = 64 * 1024
"""Bodies up to this size are not counted: all that can be read at once are few bytes together."""

SCRAP = 1024
"""Chunks of a body that are smaller are put together."""

LINGER_SECONDS = 2.0
"""So long what a client goes on sending is thrown away after a refusal: were it hung up on, it would not read why."""

Headers = Mapping[str, str]
ReplyHeaders = list[tuple[str, str]]


class ClosedError(Exception):
    """No more of a body will come: the client has left, or what it sent is no body."""


@dataclass(slots=True)
class Reply:
    """An answer's status, headers and bytes."""

    status: int
    headers: ReplyHeaders
    body: bytes


class Request:
    """What a client asks. `headers` are by lower-case name, several of one name joined.

    `size` is how much of the body has come, `complete` whether that is all. A body is taken in as it is asked for.
    """

    __slots__ = ("_chunks", "_connection", "complete", "headers", "keep_alive", "method", "path", "size", "version")

    def __init__(
        self, connection: Connection, method: str, path: str, version: str, headers: dict[str, str], *, keep_alive: bool
    ) -> None:
        self.method = method
        self.path = path
        self.version = version
        self.headers = headers
        self.keep_alive = keep_alive
        self.complete = False
        self.size = 0
        self._chunks: list[bytes | bytearray] = []
        self._connection = connection

    def body(self) -> bytes:
        """What has come of it."""
        first = self._chunks[0] if self._chunks else b""
        return first if len(self._chunks) <= 1 and isinstance(first, bytes) else b"".join(self._chunks)

    async def more(self) -> None:
        """Wait until more of the body has come. Raises `ClosedError` where it will not."""
        await self._connection.more(self)

    async def gone(self) -> None:
        """Wait until the client has left."""
        await self._connection.gone()

    def add(self, chunk: bytes) -> None:
        """More of the body."""
        self.size += len(chunk)
        if self._chunks and len(chunk) < SCRAP:  # a list of many would take many times their size
            if isinstance(last := self._chunks[-1], bytearray):
                last += chunk
            else:
                self._chunks.append(bytearray(chunk))
        else:
            self._chunks.append(chunk)


Respond = Callable[[Request], Coroutine[Any, Any, Reply]]


class HttpServer:
    """Listens, and answers what comes by `respond`, one request of a connection after the other.

    A connection may be idle, or at its headers, for `idle_seconds`; an answer must be taken within `take_seconds`.
    """

    def __init__(self, respond: Respond, *, idle_seconds: float, take_seconds: float) -> None:
        self.respond = respond
        self.idle_seconds = idle_seconds
        self.take_seconds = take_seconds
        self.ending = False
        self.connections: set[Connection] = set()
        self.empty: asyncio.Future[None] | None = None
        self._server: asyncio.Server | None = None

    async def open(self, listener: socket.socket, backlog: int, tls: ssl.SSLContext | None = None) -> None:
        """Take connections from now on."""
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self),
            sock=listener,
            backlog=backlog,
            ssl=tls,
            ssl_handshake_timeout=self.idle_seconds if tls else None,
            ssl_shutdown_timeout=LINGER_SECONDS if tls else None,
        )

    def sweep(self) -> None:
        """Hang up on who has been idle, or has not taken an answer, for too long. To be called every now and then."""
        now = time.monotonic()
        for connection in tuple(self.connections):
            connection.sweep(now)

    async def close(self) -> None:
        """Take no more connections, answer what has been asked, and hang up."""
        self.ending = True
        if self._server is not None:
            self._server.close()
        for connection in tuple(self.connections):
            connection.end()
        if self.connections:
            self.empty = asyncio.get_running_loop().create_future()
            await self.empty


class Connection(asyncio.Protocol):
    """One client's connection. Requests that come before the answer to the one at work wait for their turn."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._url = b""
        self._headers: dict[str, str] = {}
        self._head = self._count = self._bytes = 0
        self._receiving: Request | None = None
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._more: asyncio.Future[None] | None = None
        self._leaving: list[asyncio.Future[None]] = []
        self._since = time.monotonic()
        self._stuck_since: float | None = None
        self._fault: tuple[int, str] | None = None
        self._left = self._deaf = self._lingers = self._held_back = False

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._server.connections.add(self)
        if self._server.ending:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._deaf or self._parser is None:
            return
        self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # nothing else is spoken here: the request is answered, and that is all
            self._deaf = True
        except httptools.HttpParserError:
            self._deaf = True
            if not self._cut_off():
                self._refuse(*(self._fault or (400, "this is no HTTP request")))
        if self._receiving is None and self._head > MOST_HEAD and not self._deaf:
            self._deaf = True
            self._refuse(*_TOO_MANY)
        self._begin()
        self._hold_back()

    def eof_received(self) -> bool:
        """Half of it stays open while there is something to answer. (TLS cannot.)"""
        self._deaf = True
        self._leave()
        self._cut_off()
        return self._task is not None and self._transport.can_write_eof()

    def connection_lost(self, _: Exception | None) -> None:
        self._deaf = True
        self._leave()
        self._cut_off()
        self._waiting.clear()
        self._parser = None  # who hold each other would be there until the collector comes, which it hardly ever does
        connections = self._server.connections
        connections.discard(self)
        if not connections and self._server.empty is not None and not self._server.empty.done():
            self._server.empty.set_result(None)

    def pause_writing(self) -> None:
        self._stuck_since = time.monotonic()

    def resume_writing(self) -> None:
        self._stuck_since = None
        self._begin()

    # What the parser calls

    def on_message_begin(self) -> None:
        self._url, self._headers, self._count, self._bytes = b"", {}, 0, 0

    def on_url(self, part: bytes) -> None:
        self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._receiving is not None:  # a trailer behind the chunks of a body
            return
        self._count, self._bytes = self._count + 1, self._bytes + len(name) + len(value)
        if self._count > MOST_HEADERS or self._bytes > MOST_HEAD:
            self._fault = _TOO_MANY
            raise ValueError(self._fault)
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        known = self._headers.get(key)
        self._headers[key] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert parser is not None, "it is at work"
        path = _path(self._url)
        if path is None or len(self._url) > MOST_HEAD:
            self._fault = (400, "the path is none")
            raise ValueError(self._fault)
        self._head = 0
        self._receiving = Request(
            self,
            parser.get_method().decode("latin-1"),
            path,
            parser.get_http_version(),
            self._headers,
            keep_alive=parser.should_keep_alive(),
        )
        self._waiting.append(self._receiving)

    def on_body(self, chunk: bytes) -> None:
        if self._receiving is not None:
            self._receiving.add(chunk)
            self._wake()

    def on_message_complete(self) -> None:
        if self._receiving is not None:
            self._receiving.complete = True
            self._receiving = None
            self._head = 0
            self._wake()

    # What requests ask

    async def more(self, request: Request) -> None:
        """See `Request.more`."""
        if request is not self._receiving:
            raise ClosedError
        if request.size == 0 and request.headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._more = self._loop.create_future()
        self._hold_back()
        try:
            await self._more
        finally:
            self._more = None

    async def gone(self) -> None:
        """See `Request.gone`."""
        if not self._left:
            leaving = self._loop.create_future()
            self._leaving.append(leaving)
            try:
                await leaving
            finally:
                self._leaving.remove(leaving)

    # What the server asks

    def sweep(self, now: float) -> None:
        """Hang up, where the client has had its time."""
        patience = LINGER_SECONDS if self._lingers else self._server.idle_seconds
        if self._stuck_since is not None and now - self._stuck_since > self._server.take_seconds:
            self._transport.abort()
        elif self._task is None and not self._waiting and now - self._since > patience:
            gives_up = self._transport.is_closing() and now - self._since > patience + self._server.take_seconds
            (self._transport.abort if gives_up else self._transport.close)()

    def end(self) -> None:
        """Hang up as soon as everything that has been asked is answered."""
        if self._task is None and not self._waiting:
            self._transport.close()

    # What these are made of

    def _begin(self) -> None:
        """The next request, unless one is at work, or the client does not take its answers."""
        while self._task is None and self._waiting and self._stuck_since is None:
            request = self._waiting.popleft()
            answer = self._server.respond(request)
            work: Awaitable[Reply] = answer
            if request.complete and request.size <= SMALL and "content-encoding" not in request.headers:
                # Most requests wait for nothing: to make a task of each would cost as much as to read it.
                try:
                    work = _rest_of(answer, answer.send(None))
                except StopIteration as done:
                    self._answered(request, done.value)
                    continue
                except BaseException:
                    self._transport.abort()
                    raise
            self._task = self._loop.create_task(self._work(request, work))

    async def _work(self, request: Request, work: Awaitable[Reply]) -> None:
        try:
            reply = await work
        except BaseException:
            self._transport.abort()
            raise
        self._task = None
        self._answered(request, reply)
        self._begin()
        self._hold_back()

    def _answered(self, request: Request, reply: Reply) -> None:
        self._since = time.monotonic()
        if not self._transport.is_closing():
            self._write(request, reply)

    def _write(self, request: Request, reply: Reply) -> None:
        goes_on = bool(self._waiting) or not (self._deaf or self._server.ending)
        keep = request.complete and request.keep_alive and goes_on
        told = "" if keep and request.version != "1.0" else _KEPT if keep else _CLOSED
        body = b"" if request.method == "HEAD" else reply.body
        self._transport.write(_head(reply, told) + body)
        if not keep:
            self._hang_up(at_once=request.complete and not self._deaf)

    def _hang_up(self, *, at_once: bool) -> None:
        self._deaf = True
        self._waiting.clear()
        self._cut_off()
        if at_once or self._left or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._lingers = True
        with suppress(OSError):  # it has just been reset
            self._transport.write_eof()
        self._hold_back()

    def _refuse(self, status: int, text: str) -> None:
        """What is no request. Answers to what came before it go first, and then there is nothing to add."""
        if self._task is None and not self._waiting and not self._transport.is_closing():
            body = orjson.dumps({"error": text, "kind": "request"})
            reply = Reply(status, [("content-type", "application/json")], body)
            self._since = time.monotonic()
            self._transport.write(_head(reply, _CLOSED) + body)
            self._hang_up(at_once=False)

    def _hold_back(self) -> None:
        """Take in no more than is wanted."""
        unwanted = self._receiving is not None and self._more is None and self._receiving.size > AHEAD
        hold = not self._lingers and (unwanted or len(self._waiting) > REQUESTS_AHEAD)
        if hold != self._held_back and not self._transport.is_closing():
            self._held_back = hold
            (self._transport.pause_reading if hold else self._transport.resume_reading)()

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    def _cut_off(self) -> bool:
        """No more will come of the body that is being received; whether there is one."""
        request, self._receiving = self._receiving, None
        if self._more is not None and not self._more.done():
            self._more.set_exception(ClosedError())
        return request is not None

    def _leave(self) -> None:
        self._left = True
        for leaving in self._leaving:
            if not leaving.done():
                leaving.set_result(None)


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """What clients of TLS 1.2 and later are spoken to with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


@coroutine
def _rest_of(work: Coroutine[Any, Any, Reply], waits_for: Any) -> Generator[Any, Any, Reply]:
    """A coroutine that has gone on by itself to where it waits for the first time."""
    while True:
        try:
            sent = yield waits_for
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is thrown at the work
            step = partial(work.throw, error)
        else:
            step = partial(work.send, sent)
        try:
            waits_for = step()
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]


def _path(url: bytes) -> str | None:
    """The path that is asked for, its percent signs resolved; None where it is none."""
    try:
        if not url.startswith(b"/"):
            url = httptools.parse_url(url).path or url
        path = url.partition(b"?")[0].partition(b"#")[0].decode("ascii")
    except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
        return "*" if url == b"*" else None
    return unquote(path, errors="replace") if "%" in path else path


def _head(reply: Reply, told: str) -> bytes:
    lines = "".join([f"{name}: {value}\r\n" for name, value in reply.headers])
    first, date = _status_line(reply.status), _date(int(time.time()))
    return f"{first}{lines}content-length: {len(reply.body)}\r\n{date}{told}\r\n".encode("latin-1")


@lru_cache
def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return f"date: {formatdate(second, usegmt=True)}\r\n"


_TOO_MANY = (431, f"a request may have {MOST_HEADERS} headers, and {MOST_HEAD:,} bytes of them")
_KEPT, _CLOSED = "connection: keep-alive\r\n", "connection: close\r\n"
