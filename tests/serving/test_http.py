"""Connections by hand, over real sockets: what goes out for what comes in, in which order, and when is hung up."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.serving.body import Bodies, SlowBodyError
from loopwright.serving.http import MOST_HEAD, MOST_HEADERS, ClosedError, HttpServer, Reply, Request

GET = b"GET /one HTTP/1.1\r\nHost: x\r\n\r\n"


async def told(request: Request) -> Reply:
    """What came, as the body of the answer."""
    try:
        while not request.complete:
            await request.more()
    except ClosedError:
        return Reply(400, [], b"cut off")
    if request.path == "/slow":
        await asyncio.sleep(0.05)
    text = f"{request.method} {request.path} {request.headers.get('x', '-')} ".encode() + request.body()
    return Reply(200, [("x-own", "yes")], text)


@asynccontextmanager
async def served(respond: Any = told, *, idle: float = 60.0, take: float = 60.0) -> Any:
    """A server, and a way to connect to it."""
    server = HttpServer(respond, idle_seconds=idle, take_seconds=take)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    address = listener.getsockname()
    server.open(listener)
    clients = []

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        clients.append(await asyncio.open_connection(*address))
        return clients[-1]

    yield server, connect
    for _, writer in clients:
        writer.close()
    await asyncio.wait_for(server.close(), 10)
    listener.close()


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 30))


async def answer(reader: asyncio.StreamReader, *, head: bool = False) -> tuple[int, dict[str, str], bytes]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if line)
    body = b"" if head else await reader.readexactly(int(headers["content-length"]))
    return int(lines[0].split()[1]), headers, body


async def replies(sent: bytes, count: int, **more: Any) -> list[tuple[int, dict[str, str], bytes]]:
    """What `count` answers are to these bytes, sent at once."""
    async with served(**more) as (_, connect):
        reader, writer = await connect()
        writer.write(sent)
        return [await answer(reader) for _ in range(count)]


def test_requests_of_one_connection_are_answered_in_their_order() -> None:
    sent = [b"POST /slow HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", GET, b"GET /slow HTTP/1.1\r\n\r\n", GET]
    found = asyncio.run(replies(b"".join(sent), 4))
    assert [body for _, _, body in found] == [b"POST /slow - abc", b"GET /one - ", b"GET /slow - ", b"GET /one - "]
    assert all("connection" not in headers and headers["x-own"] == "yes" for _, headers, _ in found)


def test_more_requests_than_are_taken_in_ahead_are_all_answered() -> None:
    found = asyncio.run(replies(b"GET /slow HTTP/1.1\r\n\r\n" + GET * 20_000, 20_001))
    assert {status for status, *_ in found} == {200}


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_however_the_bytes_are_cut_the_answers_are_the_same(data: Any) -> None:
    chunked = (
        b"POST /two HTTP/1.1\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n"
    )
    sent = GET + chunked + b"POST /three?a=b HTTP/1.1\r\ncontent-length: 2\r\nx: 1\r\nX: 2\r\n\r\n{}" + GET
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=12)))

    async def story() -> None:
        async with served() as (_, connect):
            reader, writer = await connect()
            for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
                writer.write(sent[start:end])
                await asyncio.sleep(0)
            bodies = [(await answer(reader))[2] for _ in range(4)]
            assert bodies == [b"GET /one - ", b"POST /two y abcde", b"POST /three 1, 2 {}", b"GET /one - "]

    run(story)


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        (b"GET / HTTP/1.1\r\n", None),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n", "close"),
        (b"GET / HTTP/1.0\r\n", "close"),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n", "keep-alive"),
        (b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n", None),
    ],
)
def test_a_connection_is_kept_as_long_as_both_want_it(head: bytes, kept: str | None) -> None:
    async def story() -> None:
        async with served() as (_, connect):
            reader, writer = await connect()
            writer.write(head + b"\r\n")
            status, headers, _ = await answer(reader)
            assert (status, headers.get("connection")) == (200, kept)
            if kept == "close":
                assert await reader.read() == b""
            else:
                writer.write(GET)
                assert (await answer(reader))[0] == 200

    run(story)


def test_the_answer_to_head_has_no_body() -> None:
    async def story() -> None:
        async with served() as (_, connect):
            reader, writer = await connect()
            writer.write(b"HEAD /one HTTP/1.1\r\n\r\n")
            assert (await answer(reader, head=True))[1]["content-length"] == "12"
            writer.write(GET)
            assert (await answer(reader))[2] == b"GET /one - "

    run(story)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT x:443 HTTP/1.1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * (MOST_HEADERS + 1) + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * MOST_HEAD + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nA: " + b"b" * 4 * MOST_HEAD, 431),
        (b"GET /" + b"b" * 4 * MOST_HEAD, 431),
    ],
    ids=[
        "no http",
        "no path",
        "connect",
        "two lengths",
        "many headers",
        "large header",
        "endless header",
        "endless path",
    ],
)
def test_what_is_no_request_is_told_so_and_hung_up_on(sent: bytes, status: int) -> None:
    async def story() -> None:
        async with served() as (_, connect):
            reader, writer = await connect()
            writer.write(sent + GET)
            found, headers, body = await answer(reader)
            assert (found, headers["connection"]) == (status, "close")
            assert b'"kind":"request"' in body
            assert await reader.read() == b""

    run(story)


def test_what_came_before_garbage_is_answered() -> None:
    async def story() -> None:
        async with served() as (_, connect):
            reader, writer = await connect()
            writer.write(b"GET /slow HTTP/1.1\r\n\r\n" + GET + b"garbage\r\n\r\n")
            assert (await answer(reader))[1].get("connection") is None
            assert (await answer(reader))[1]["connection"] == "close"
            assert await reader.read() == b""

    run(story)


def test_paths_are_what_they_stand_for() -> None:
    sent = b"GET /a%20b?c=d HTTP/1.1\r\n\r\nGET http://x/y HTTP/1.1\r\n\r\nOPTIONS * HTTP/1.1\r\n\r\n"
    found = asyncio.run(replies(sent, 3))
    assert [body for _, _, body in found] == [b"GET /a b - ", b"GET /y - ", b"OPTIONS * - "]


def test_a_body_is_asked_for_when_somebody_wants_it() -> None:
    async def refuse(request: Request) -> Reply:
        return Reply(413, [], b"") if int(request.headers["content-length"]) > 9 else await told(request)

    async def story() -> None:
        head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
        async with served(refuse) as (_, connect):
            reader, writer = await connect()
            writer.write(head % 3)
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"abc")
            assert (await answer(reader))[2] == b"POST / - abc"
            writer.write(head % 10)
            assert (await answer(reader))[0] == 413

    run(story)


def test_a_refusal_can_be_read_by_who_goes_on_sending() -> None:
    async def refuse(_: Request) -> Reply:
        return Reply(413, [], b"too large")

    async def story() -> None:
        async with served(refuse) as (_, connect):
            reader, writer = await connect()
            writer.write(b"POST / HTTP/1.1\r\nContent-Length: 50000000\r\n\r\n")
            for _ in range(50):
                writer.write(b" " * 1_000_000)
                await writer.drain()
            status, headers, body = await answer(reader)
            assert (status, headers["connection"], body) == (413, "close", b"too large")

    run(story)


def test_no_more_is_taken_in_than_is_wanted() -> None:
    seen: list[Request] = []

    async def wait(request: Request) -> Reply:
        seen.append(request)
        await asyncio.sleep(0.5)
        return Reply(200, [], b"%d" % request.size)

    async def story() -> None:
        async with served(wait) as (_, connect):
            reader, writer = await connect()
            writer.write(b"POST / HTTP/1.1\r\nContent-Length: 20000000\r\n\r\n" + b" " * 20_000_000)
            assert int((await answer(reader))[2]) < 1_000_000

    run(story)
    assert seen[0].size < 1_000_000


def test_scraps_of_a_body_take_no_more_than_their_size() -> None:
    async def story() -> None:
        async with served() as (_, connect):
            reader, writer = await connect()
            writer.write(
                b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 50_000 + b"0\r\n\r\n"
            )
            assert (await answer(reader))[2] == b"POST / - " + b"a" * 50_000

    run(story)


def test_who_waits_for_a_client_learns_that_it_left() -> None:
    left = asyncio.Event()

    async def wait(request: Request) -> Reply:
        await request.gone()
        left.set()
        return Reply(200, [], b"")

    async def story() -> None:
        async with served(wait) as (server, connect):
            _, writer = await connect()
            writer.write(GET)
            await asyncio.sleep(0.05)
            assert not left.is_set()
            writer.close()
            await asyncio.wait_for(left.wait(), 5)
            while server.connections:
                await asyncio.sleep(0.01)

    run(story)


def test_half_a_connection_is_enough_for_the_answer() -> None:
    async def story() -> None:
        async with served() as (_, connect):
            reader, writer = await connect()
            writer.write(b"GET /slow HTTP/1.1\r\n\r\n")
            writer.write_eof()
            assert (await answer(reader))[2] == b"GET /slow - "
            assert await reader.read() == b""

    run(story)


@pytest.mark.parametrize("sent", [b"", b"GET /", GET], ids=["nothing", "half a head", "an answer"])
def test_who_is_idle_for_too_long_is_hung_up_on(sent: bytes) -> None:
    async def story() -> None:
        async with served(idle=0.1) as (server, connect):
            reader, writer = await connect()
            writer.write(sent)
            await asyncio.sleep(0.05)
            server.sweep()
            assert len(server.connections) == 1
            await asyncio.sleep(0.1)
            server.sweep()
            assert (await reader.read())[:12] in (b"", b"HTTP/1.1 200")

    run(story)


def test_who_takes_no_answers_is_hung_up_on() -> None:
    async def large(_: Request) -> Reply:
        return Reply(200, [], b" " * 30_000_000)

    async def story() -> None:
        async with served(large, take=0.1) as (server, connect):
            _, writer = await connect()
            writer.write(GET * 3)
            while not server.connections:
                await asyncio.sleep(0.01)
            while server.connections:
                server.sweep()
                await asyncio.sleep(0.01)

    run(story)


def test_the_end_answers_what_was_asked_and_hangs_up_on_the_rest() -> None:
    async def story() -> None:
        async with served() as (server, connect):
            idle, half, busy = [await connect() for _ in range(3)]
            half[1].write(b"GET / HT")
            busy[1].write(b"GET /slow HTTP/1.1\r\n\r\n" + GET)
            await asyncio.sleep(0.02)
            await server.close()
            assert [(await answer(busy[0]))[1].get("connection") for _ in range(2)] == [None, "close"]
            assert [await one[0].read() for one in (idle, half, busy)] == [b""] * 3

    run(story)


def test_slow_bodies_are_given_up() -> None:
    bodies = Bodies(1_000_000, 0.05)

    async def read(request: Request) -> Reply:
        try:
            return Reply(200, [], await bodies.read(request))
        except SlowBodyError:
            return Reply(408, [], b"")

    async def story() -> None:
        async with served(read) as (_, connect):
            reader, writer = await connect()
            writer.write(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab")
            await asyncio.sleep(0.1)
            bodies.give_up_slow()
            assert (await answer(reader))[0] == 408

    run(story)


def test_answers_that_were_held_up_are_all_given_when_the_client_takes_them() -> None:
    async def large(request: Request) -> Reply:
        return Reply(200, [], b" " * 2000)

    async def story() -> None:
        async with served(large) as (_, connect):
            reader, writer = await connect()
            writer.write(GET * 8000)
            await asyncio.sleep(0.2)  # nothing is taken meanwhile
            for _ in range(8000):
                assert (await answer(reader))[0] == 200
            writer.write(GET)
            assert (await answer(reader))[0] == 200

    run(story)


@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 5\r\n\r\nabcde", b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"],
    ids=["a length", "chunks"],
)
def test_who_offers_another_protocol_is_answered_in_this_one(framing: bytes) -> None:
    head = b"POST /a HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"
    found = asyncio.run(replies(head + framing + GET, 2))
    assert [body for _, _, body in found] == [b"POST /a - abcde", b"GET /one - "]


def test_a_trailer_without_end_is_hung_up_on() -> None:
    async def story() -> None:
        async with served() as (_, connect):
            reader, writer = await connect()
            writer.write(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: ")
            with suppress(ConnectionError):
                for _ in range(200):
                    writer.write(b"a" * 10_000)
                    await writer.drain()
            assert (await answer(reader))[2] == b"cut off"

    run(story)


def test_what_was_sent_before_the_end_is_answered() -> None:
    async def story() -> None:
        async with served() as (server, connect):
            old = await connect()
            await asyncio.sleep(0.02)
            ending = asyncio.create_task(server.close())
            await asyncio.sleep(0)
            new = await connect()
            for reader, writer in (old, new):
                writer.write(GET)
                assert (await answer(reader))[1]["connection"] == "close"
            await ending

    run(story)


def test_all_that_a_half_closed_client_has_asked_is_answered() -> None:
    async def large(_: Request) -> Reply:
        return Reply(200, [], b" " * 5_000_000)

    async def story() -> None:
        async with served(large) as (_, connect):
            reader, writer = await connect()
            writer.write(GET * 4)
            writer.write_eof()
            for _ in range(4):
                assert (await answer(reader))[0] == 200
            assert await reader.read() == b""

    run(story)


def test_an_error_after_a_wait_leaves_nothing_behind() -> None:
    """The collector hardly ever comes in a worker: what holds itself would stay."""
    seen: list[weakref.ref[Request]] = []

    async def fail() -> None:
        await asyncio.sleep(0.001)
        raise ValueError("no")

    async def respond(request: Request) -> Reply:
        seen.append(weakref.ref(request))
        with suppress(ValueError):
            await fail()
        return Reply(422, [], b"")

    async def story() -> None:
        async with served(respond) as (_, connect):
            reader, writer = await connect()
            gc.collect()
            gc.disable()
            try:
                for _ in range(3):
                    writer.write(GET)
                    await answer(reader)
                await asyncio.sleep(0.01)
                assert [one() for one in seen] == [None] * 3
            finally:
                gc.enable()

    run(story)
