"""The inference server: a supervisor that owns the port, and worker processes that answer."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from multiprocessing.process import BaseProcess
from queue import Empty, SimpleQueue
from typing import Any

from loopwright.core.sockets import free_port
from loopwright.errors import HostingError, LoopwrightError
from loopwright.serving.colleagues import meeting_place
from loopwright.serving.http import BACKLOG
from loopwright.serving.logs import set_log_format
from loopwright.serving.options import ServerOptions
from loopwright.serving.pulse import Pulse
from loopwright.serving.worker import Extras, LoadPredictor, OpenStorage, make_worker

log = logging.getLogger("loopwright.serving")

CANNOT_START = 78
"""The exit status of a worker that would fail again however often it is started."""

LOOK_SECONDS = 0.25
STOOD_STILL = 5.0
"""A supervisor that was held up so long (a machine that slept) does not blame its workers for the time."""
_ENDS = (signal.SIGTERM, signal.SIGINT)


def run_server(options: ServerOptions, open_storage: OpenStorage, load: LoadPredictor, extras: Extras) -> None:
    """Serve until SIGTERM or SIGINT; then drain, flush and return.

    `open_storage`, `load` and `extras` are called in each worker, so they must be importable. Raises `HostingError`
    where a port is taken or a worker cannot start.
    """
    set_log_format(options.log)
    options = replace(options, port=_free_port(options.host, options.port), server_name=options.name)
    if options.grpc_port is not None:
        options = replace(options, grpc_port=_free_port(options.host, options.grpc_port, "grpc_port"))
    log.info("inference server on %s, %d workers", ", ".join(_addresses(options)), options.workers)
    with meeting_place(options.spool) as totals:
        server = Supervisor(options, partial(_work, replace(options, totals=totals), open_storage, load, extras))
        server.run()
    if server.refused:
        raise HostingError("the inference server's workers cannot start", remedy="the log above says why")


class Supervisor:
    """Never gives up on a worker that was killed, replaces one that hangs, and holds the sockets itself: who connects
    while a worker is replaced waits for the next one, and is not refused.

    `work` is a worker's process: it takes its number, its pulse, its own listening socket and all of them.
    """

    def __init__(self, options: ServerOptions, work: Callable[..., None]) -> None:
        self.refused = False
        self._options = options
        self._work = work
        self._has_served = False
        self._signals: SimpleQueue[int] = SimpleQueue()  # an Event could not be set while it is being set
        self._interrupted = False
        self._listeners: list[socket.socket] = []
        self._pulses = [Pulse() for _ in range(options.workers)]
        self._looked = self._awake = time.perf_counter()
        self._parent = os.getppid()
        self._born: dict[int, float] = {}
        self._workers: list[BaseProcess] = []

    def run(self) -> None:
        """Until SIGTERM or SIGINT, or no worker can be started: `refused`."""
        for one in _ENDS:
            signal.signal(one, lambda number, _: self._signals.put(number))
        own = sys.platform == "linux"  # the kernel shares connections out among sockets; elsewhere all have the same
        try:
            self._listeners = [_listener(self._options) for _ in range(self._options.workers if own else 1)]
            for idx in range(self._options.workers):
                self._workers.append(self._started(idx))
            self._watch()
        finally:
            for listener in self._listeners:
                listener.close()
            self._stop_workers()

    def _watch(self) -> None:
        while not self._ended():
            with suppress(Empty):
                self._signals.get(timeout=LOOK_SECONDS)
                self._interrupted = True
            self._kill_hung()
            for idx, worker in enumerate(self._workers):
                if not (worker.is_alive() or self._ended() or self._just_born(idx)):
                    self._replace(idx)

    def _started(self, idx: int) -> BaseProcess:
        self._born[idx] = time.monotonic()
        pulse = self._pulses[idx] = Pulse()
        own = self._listeners[idx % len(self._listeners)]
        # Python 3.14's own choice on Linux is "forkserver", which hands on no sockets.
        processes: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        worker: BaseProcess = processes.Process(target=self._work, args=(idx + 1, pulse, own, self._listeners))
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)  # until it is the worker's own handlers that are told
        try:
            worker.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
        return worker

    def _kill_hung(self) -> None:
        now = time.perf_counter()
        if now - self._looked > STOOD_STILL:
            self._awake = now
        self._looked = now
        for idx, pulse in enumerate(self._pulses):
            self._has_served |= pulse.alive_at > 0
            silent = now - max(pulse.alive_at, self._awake)
            if pulse.alive_at and silent > self._options.hang_seconds and self._workers[idx].is_alive():
                log.error("worker %d has not come back for %.0f s: it is killed", idx + 1, silent)
                self._workers[idx].kill()
                self._workers[idx].join()

    def _stop_workers(self) -> None:
        began, patience = time.perf_counter(), self._options.drain_seconds
        for worker in self._workers:
            worker.terminate()
        for idx, worker in enumerate(self._workers):
            worker.join(max(0.001, began + patience - time.perf_counter()))
            if worker.is_alive():
                worker.kill()
                worker.join()
                log.error("worker %d did not end in time and was killed: %s", idx + 1, self._loss(idx))

    def _ended(self) -> bool:
        orphaned = self._options.with_parent and os.getppid() != self._parent
        return self._interrupted or self.refused or orphaned

    def _replace(self, idx: int) -> None:
        code = self._workers[idx].exitcode
        if code == CANNOT_START and not self._has_served:
            self.refused = True
            return
        log.warning("worker %d ended (exit code %s), another one is started: %s", idx + 1, code, self._loss(idx))
        try:
            self._workers[idx] = self._started(idx)
        except OSError as error:
            log.error("worker %d cannot be started for now: %s", idx + 1, error)

    def _just_born(self, idx: int) -> bool:
        """One that dies at birth, again and again, shall not keep the machine busy."""
        return time.monotonic() - self._born[idx] < 2 * LOOK_SECONDS

    def _loss(self, idx: int) -> str:
        pulse = self._pulses[idx]
        if not pulse.alive_at:
            return "it had not begun to answer"
        ago, seconds = time.perf_counter() - pulse.alive_at, self._options.flush_seconds
        requests = f"its requests in flight are lost ({pulse.in_flight}, {ago:.1f} s before)"
        return f"{requests}, and captures of {seconds:g} s at most"


def _work(
    options: ServerOptions,
    open_storage: OpenStorage,
    load: LoadPredictor,
    extras: Extras,
    number: int,
    pulse: Pulse,
    own: socket.socket,
    listeners: Sequence[socket.socket],
) -> None:
    """A worker's process."""
    for one in _ENDS:  # what the supervisor does at them is not for its children
        signal.signal(one, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
    for listener in listeners:
        if listener is not own:  # it came by birth, and would hold connections that nobody takes
            listener.close()
    set_log_format(options.log)
    try:
        worker = make_worker(options, open_storage, load, extras, number, pulse)
    except Exception as error:
        log.error("worker %d cannot start: %s", number, error, exc_info=not isinstance(error, LoopwrightError))
        sys.stderr.flush()
        os._exit(CANNOT_START)
    asyncio.run(worker.serve(own))


def _listener(options: ServerOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sys.platform == "linux":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Connections inherit it: one whose client does not take its answer is closed.
        patience = int(1000 * options.body_seconds)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience)
    listener.bind((options.host, options.port))
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def _addresses(options: ServerOptions) -> Iterator[str]:
    yield f"{'https' if options.tls_certificate else 'http'}://{options.host}:{options.port}"
    if options.grpc_port is not None:
        yield f"gRPC {options.host}:{options.grpc_port}"


def _free_port(host: str, port: int, setting: str = "inference_port") -> int:
    """`port`, or any free one for 0. Workers share the port among themselves, so it is tried here, unshared."""
    try:
        return free_port(host, port)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise HostingError(
            f"the inference server cannot listen on {host}:{port}: {reason}",
            remedy=f"stop what listens there, or choose another port ({setting})",
        ) from None
