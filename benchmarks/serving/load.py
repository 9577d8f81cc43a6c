"""The load generator: raw keep-alive connections in one process that never sleeps, so that nothing of it is waited for.

Requests are bytes made beforehand; latencies are counted in microseconds in a plain list, so that percentiles are
exact. `closed` keeps every connection busy; `open_` sends at given moments, and counts from these, whenever the
request really went out (a late answer may not excuse the late sending of the next request).
"""

from __future__ import annotations

import gc
import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LONGEST = 2_000_000
"""Microseconds; latencies beyond are counted as this."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What came of some seconds of load: right answers a second, latencies in microseconds in `counts`, and the
    microseconds of processor time that the server's processes took for one.
    """

    rate: float
    answers: int
    failures: int
    counts: NDArray[np.int64]
    processor: float = 0.0

    def latency(self, quantile: float) -> float:
        """The latency that `quantile` of the answers do not exceed."""
        return float(np.searchsorted(np.cumsum(self.counts), quantile * max(1, self.answers)))


def closed(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Load:
    """Every connection sends its next request as soon as the one before is answered; they take `requests` in turn."""
    with _Pool(port, connections) as pool, _undisturbed():
        number, kinds = 0, len(requests)
        began = now = time.perf_counter_ns()
        for line in pool.lines:
            pool.send(line, requests[number % kinds], now)
            number += 1
        end = began + int(seconds * 1e9)
        while now < end:
            for line in pool.answered():
                number += 1
                pool.send(line, requests[number % kinds], time.perf_counter_ns())
            now = time.perf_counter_ns()
        return pool.load((now - began) / 1e9)


def open_(port: int, requests: Sequence[bytes], connections: int, rate: float, seconds: float, seed: int = 0) -> Load:
    """Requests at random moments (Poisson, the same for the same seed), `rate` a second on the average."""
    gaps = np.random.default_rng(seed).exponential(1e9 / rate, int(rate * seconds))
    with _Pool(port, connections) as pool, _undisturbed():
        began = time.perf_counter_ns()
        moments = (began + np.cumsum(gaps)).astype(np.int64).tolist()
        free, number, kinds = list(pool.lines), 0, len(requests)
        while number < len(moments) or len(free) < connections:
            now = time.perf_counter_ns()
            while free and number < len(moments) and moments[number] <= now:
                pool.send(free.pop(), requests[number % kinds], moments[number])
                number += 1
            free += pool.answered()
        return pool.load((time.perf_counter_ns() - began) / 1e9)


def ask(port: int, request: bytes, timeout: float = 30.0) -> tuple[int, bytes]:
    """One request on a connection of its own: status and body. Raises `OSError`."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as line:
        line.sendall(request)
        data = b""
        while not (whole := _whole(data)):
            more = line.recv(1 << 20)
            if not more:
                raise ConnectionError("the server closed the connection")
            data += more
    head, _, body = data.partition(b"\r\n\r\n")
    if _is_chunked(head):
        body = b"".join(_chunks(body))
    assert whole
    return int(head.split(b" ", 2)[1]), body


class _Line:
    """A connection: when its request was due, what of it is unsent, what has come of the answer."""

    __slots__ = ("fd", "got", "rest", "since", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.fd = self.socket.fileno()
        self.since = 0
        self.rest: memoryview | None = None
        self.got = b""


class _Pool:
    def __init__(self, port: int, connections: int) -> None:
        self.lines = [_Line(port) for _ in range(connections)]
        self._by_fd = {line.fd: line for line in self.lines}
        self._epoll = select.epoll()
        for line in self.lines:
            self._epoll.register(line.fd, select.EPOLLIN)
        self._counts = [0] * (LONGEST + 1)
        self._failures = 0

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self._epoll.close()
        for line in self.lines:
            line.socket.close()

    def send(self, line: _Line, request: bytes, since: int) -> None:
        line.since = since
        sent = line.socket.send(request)
        if sent < len(request):
            line.rest = memoryview(request)[sent:]
            self._epoll.modify(line.fd, select.EPOLLIN | select.EPOLLOUT)

    def answered(self) -> list[_Line]:
        """The lines whose answer is whole by now."""
        done = []
        for fd, event in self._epoll.poll(0):
            line = self._by_fd[fd]
            if line.rest is not None and event & select.EPOLLOUT:
                self._send_rest(line)
            if not event & ~select.EPOLLOUT:
                continue
            data = line.socket.recv(1 << 18)
            if not data:
                raise ConnectionError("the server closed a connection under load")
            if line.got:
                data = line.got + data
            if not _whole(data):
                line.got = data
                continue
            line.got = b""
            took = (time.perf_counter_ns() - line.since) // 1000
            self._counts[took if took < LONGEST else LONGEST] += 1
            if not data.startswith(b"HTTP/1.1 200"):
                self._failures += 1
            done.append(line)
        return done

    def load(self, seconds: float) -> Load:
        counts = np.array(self._counts)
        answers = int(counts.sum())
        return Load(rate=(answers - self._failures) / seconds, answers=answers, failures=self._failures, counts=counts)

    def _send_rest(self, line: _Line) -> None:
        assert line.rest is not None
        line.rest = line.rest[line.socket.send(line.rest) :]
        if not line.rest:
            line.rest = None
            self._epoll.modify(line.fd, select.EPOLLIN)


def _whole(data: bytes) -> bool:
    """Whether `data` is a whole answer."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    for name in _LENGTH:
        found = data.find(name, 0, end)
        if found >= 0:
            return len(data) >= end + 4 + int(data[found + 16 : data.find(b"\r", found)])
    return _is_chunked(data[:end]) and data.endswith(b"0\r\n\r\n")


def _is_chunked(head: bytes) -> bool:
    return b"transfer-encoding: chunked" in head.lower()


def _chunks(body: bytes) -> Iterator[bytes]:
    while body:
        size, _, body = body.partition(b"\r\n")
        yield body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]


@contextmanager
def _undisturbed() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


_LENGTH = (b"content-length: ", b"Content-Length: ")
