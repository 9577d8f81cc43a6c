"""HTTP/1.1 on a worker's event loop: requests in, replies out, within bounds of size and time.

One thread does it all, so that a request costs no change of threads. What is HTTP and what is not, httptools says.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from types import coroutine
from typing import Any, NoReturn
from urllib.parse import unquote

import httptools
import orjson

MOST_HEADERS = 100
MOST_HEAD = 64 * 1024
"""Bytes of a request line and its headers."""

MOST_CONNECTIONS = 1024
BACKLOG = 2048
"""Connections that wait to be accepted."""
AT_ONCE = 64
"""So many are accepted in one turn of the event loop."""

AHEAD = 64 * 1024
"""So many bytes of a body, and so many requests behind the one at work, are taken in before somebody wants them."""
REQUESTS_AHEAD = 32
PIECE = 4 * 1024
"""So many bytes of requests are read in one turn of the event loop: there may be hundreds in them."""

SMALL = 64 * 1024
"""Bodies up to this size are not counted: all that can be read at once are few bytes together."""

SCRAP = 1024
"""Chunks of a body that are smaller are put together."""

LAST_SECONDS = 0.2
"""So long after it was told to end a server takes what its clients had sent."""

LINGER_SECONDS = 2.0
"""So long what a client goes on sending is thrown away after a refusal: were it hung up on, it would not read why."""

Headers = Mapping[str, str]
ReplyHeaders = list[tuple[str, str]]

log = logging.getLogger("loopwright.serving")


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

    `size` is how much of the body has come, `complete` whether that is all; `length` what the client said there is, 0
    where it did not. A body is taken in as it is asked for.
    """

    __slots__ = (
        "__weakref__",
        "_chunks",
        "_connection",
        "complete",
        "headers",
        "keep_alive",
        "length",
        "method",
        "path",
        "size",
        "version",
    )

    def __init__(
        self, connection: Connection, method: str, path: str, version: str, headers: dict[str, str], *, keep_alive: bool
    ) -> None:
        self.method = method
        self.path = path
        self.version = version
        self.headers = headers
        self.keep_alive = keep_alive
        self.complete = False
        self.length = int(headers.get("content-length", 0))  # the parser has refused what is no number
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
    Beyond `MOST_CONNECTIONS`, clients wait to be accepted.
    """

    def __init__(self, respond: Respond, *, idle_seconds: float, take_seconds: float) -> None:
        self.respond = respond
        self.idle_seconds = idle_seconds
        self.take_seconds = take_seconds
        self.ending = False
        self.connections: set[Connection] = set()
        self._arriving: set[asyncio.Task[None]] = set()
        self._listener: socket.socket | None = None
        self._tls: ssl.SSLContext | None = None
        self._listens = False
        self._empty = asyncio.Event()

    def open(self, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Take connections from now on, from a listener that does not block."""
        self._listener, self._tls = listener, tls
        self._listen()

    def sweep(self) -> None:
        """Hang up on who has been idle, or has not taken an answer, for too long. To be called every now and then."""
        now = time.monotonic()
        for connection in tuple(self.connections):
            connection.sweep(now)
        if not self._listens:
            self._listen()

    async def close(self) -> None:
        """Answer what was sent before anybody could know of the end, and hang up."""
        self.ending = True
        await asyncio.sleep(LAST_SECONDS)
        if self._listener is not None:
            self._accept(BACKLOG)
            self._stop_listening()
            self._listener.close()
            self._listener = None
        if self._arriving:
            await asyncio.wait(self._arriving, timeout=LINGER_SECONDS)
            await asyncio.sleep(LAST_SECONDS)
        for arriving in self._arriving:
            arriving.cancel()
        for connection in tuple(self.connections):
            connection.end()
        while self.connections:
            self._empty.clear()
            await self._empty.wait()

    def forget(self, connection: Connection) -> None:
        """It is closed, and nothing is in work for it."""
        self.connections.discard(connection)
        self._empty.set()

    def _listen(self) -> None:
        if self._listener is not None:
            self._listens = True
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listens = False
            asyncio.get_running_loop().remove_reader(self._listener)

    def _accept(self, most: int = AT_ONCE) -> None:
        """Connections that wait; where no more can be held, the next `sweep` tries again."""
        assert self._listener is not None, "it listens"
        for _ in range(most):
            if len(self.connections) + len(self._arriving) >= MOST_CONNECTIONS:
                return self._stop_listening()
            try:
                client, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return None
            except OSError as error:
                log.warning("no connection can be accepted for now: %s", error)
                return self._stop_listening()
            client.setblocking(False)
            arriving = asyncio.get_running_loop().create_task(self._take(client))
            self._arriving.add(arriving)
            arriving.add_done_callback(self._arriving.discard)
        return None

    async def _take(self, client: socket.socket) -> None:
        with suppress(OSError):  # a client that leaves, or does not speak TLS, harms nobody but itself
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Connection(self),
                client,
                ssl=self._tls,
                ssl_handshake_timeout=self.idle_seconds if self._tls else None,
                ssl_shutdown_timeout=self.take_seconds if self._tls else None,
            )


class Connection(asyncio.Protocol):
    """One client's connection. Requests that come before the answer to the one at work wait for their turn."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._unread = b""
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
        self._left = self._deaf = self._lingers = self._held_back = self._goes_on = False

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        self._unread = self._unread + data if self._unread else data
        if not self._goes_on:
            self._take_in()

    def eof_received(self) -> bool:
        """Half of it stays open while there is something to answer, if that has not to wait in a model's queue: most
        who close one half have closed the other. (TLS has no halves.)
        """
        self._leave()
        self._take_in()
        return (self._task is not None or bool(self._waiting)) and self._transport.can_write_eof()

    def connection_lost(self, _: Exception | None) -> None:
        self._deaf = True
        self._leave()
        self._cut_off()
        self._waiting.clear()
        self._unread = b""
        self._parser = None  # who hold each other would be there until the collector comes, which it hardly ever does
        if self._task is None:
            self._server.forget(self)

    def pause_writing(self) -> None:
        self._stuck_since = time.monotonic()

    def resume_writing(self) -> None:
        self._stuck_since = None
        self._since = time.monotonic()
        self._begin()
        self._take_in()

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
            self._reject(*_TOO_MANY)
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        known = self._headers.get(key)
        self._headers[key] = text if known is None else f"{known}, {text}"

    def on_headers_complete(self) -> None:
        if self._receiving is not None:  # it was told once more: see `_without_upgrade`
            return
        parser, path = self._parser, _path(self._url)
        assert parser is not None, "it is at work"
        version, coding = parser.get_http_version(), self._headers.get("transfer-encoding")
        if path is None:
            self._reject(400, "the path is none")
        if len(self._url) > MOST_HEAD:
            self._reject(*_TOO_MANY)
        if coding is not None and coding.lower() != "chunked":
            self._reject(400, "bodies are sent whole or in chunks, with no other transfer coding")
        keep_alive = parser.should_keep_alive() and not (coding and version == "1.0")
        method = parser.get_method().decode("latin-1")
        self._head = 0
        self._receiving = Request(self, method, path, version, self._headers, keep_alive=keep_alive)
        self._waiting.append(self._receiving)

    def on_chunk_header(self) -> None:
        self._head = 0

    def on_body(self, chunk: bytes) -> None:
        self._head = 0
        if self._receiving is not None:
            self._receiving.add(chunk)
            self._wake()

    def on_message_complete(self) -> None:
        self._head = 0
        if self._receiving is not None:
            self._receiving.complete = True
            self._receiving = None
            self._wake()

    def _reject(self, status: int, text: str) -> NoReturn:
        self._fault = (status, text)
        raise ValueError(text)  # ends the parser's work

    # What requests ask

    async def more(self, request: Request) -> None:
        """See `Request.more`."""
        if request is not self._receiving:
            raise ClosedError
        expects = request.size == 0 and request.version != "1.0"
        if expects and request.headers.get("expect", "").lower() == "100-continue":
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
        server, since = self._server, self._since
        if self._stuck_since is not None or self._transport.is_closing():
            patience = server.take_seconds if self._stuck_since is not None or not server.ending else LINGER_SECONDS
            if now - (self._stuck_since or since) > patience:
                self._transport.abort()
        elif self._is_idle and now - since > (LINGER_SECONDS if self._lingers else server.idle_seconds):
            self._transport.close()

    def end(self) -> None:
        """Hang up as soon as everything that has been asked is answered."""
        if self._is_idle:
            self._transport.close()

    # What these are made of

    @property
    def _is_idle(self) -> bool:
        return self._task is None and not self._waiting

    def _take_in(self) -> None:
        """Read what has come, as far as it is wanted, and begin with it; a piece at a time, so that others have their
        turns.
        """
        self._goes_on = False
        while self._unread and not self._deaf and len(self._waiting) <= REQUESTS_AHEAD:
            receiving = self._receiving
            most = PIECE if receiving is None else max(AHEAD, receiving.length - receiving.size)
            piece, self._unread = (self._unread, b"") if len(self._unread) <= most else _cut(self._unread, most)
            self._feed(piece)
            self._begin()
            if self._unread and self._receiving is None:
                self._goes_on = True
                self._loop.call_soon(self._take_in)
                break
        if self._deaf:
            self._unread = b""
        if self._left and not self._unread:
            self._deaf = True
            self._cut_off()
            if self._is_idle and not self._transport.is_closing():
                self._transport.close()
        self._hold_back()

    def _feed(self, piece: bytes) -> None:
        if self._parser is None:
            return
        self._head += len(piece)
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            self._without_upgrade(piece[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._deaf = True
            if not self._cut_off():
                self._refuse(*(self._fault or (400, "this is no HTTP request")))
        if self._head > MOST_HEAD and not self._deaf:
            self._deaf = True
            if not self._cut_off():
                self._refuse(*_TOO_MANY)

    def _without_upgrade(self, rest: bytes) -> None:
        """Nothing else is spoken here, so the request is taken as if it had not offered it. The parser has left out its
        body: another one is told again how long that is.
        """
        request, self._parser = self._waiting[-1], httptools.HttpRequestParser(self)
        framing = [name for name in ("content-length", "transfer-encoding") if name in request.headers]
        if framing:
            request.complete, self._receiving = False, request
            lines = "".join(f"{name}: {request.headers[name]}\r\n" for name in framing)
            self._parser.feed_data(f"POST / HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
        self._unread = rest + self._unread

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
        if self._parser is None:  # the connection is lost
            return self._server.forget(self)
        self._answered(request, reply)
        self._begin()
        return self._take_in()

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
        if at_once or self._left:
            self._transport.close()
            return
        self._lingers = True
        if self._transport.can_write_eof():
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
        hold = not self._lingers and (unwanted or bool(self._unread))
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


@coroutine
def _rest_of(work: Coroutine[Any, Any, Reply], waits_for: Any) -> Generator[Any, Any, Reply]:
    """A coroutine that has gone on by itself to where it waits for the first time."""
    try:
        while True:
            try:
                sent = yield waits_for
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is thrown at the work
                waits_for = None  # it holds the error, and the error this frame
                waits_for = work.throw(error)
            else:
                waits_for = work.send(sent)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


def _cut(data: bytes, place: int) -> tuple[bytes, bytes]:
    return data[:place], data[place:]


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
    return f"{first}{lines}content-length: {len(reply.body)}\r\n{date}{told}\r\n".encode("latin-1", "replace")


@lru_cache
def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return f"date: {formatdate(second, usegmt=True)}\r\n"


_TOO_MANY = (431, f"a request may have {MOST_HEADERS} headers, and {MOST_HEAD:,} bytes of them")
_KEPT, _CLOSED = "connection: keep-alive\r\n", "connection: close\r\n"
