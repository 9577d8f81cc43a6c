"""The inference server: a supervisor that owns the port, and worker processes that answer."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.mp import MPServer

from loopwright.core.sockets import free_port
from loopwright.errors import HostingError, LoopwrightError
from loopwright.serving.colleagues import meeting_place
from loopwright.serving.logs import set_log_format
from loopwright.serving.options import ServerOptions
from loopwright.serving.pulse import Pulse
from loopwright.serving.worker import Extras, LoadPredictor, OpenStorage, make_worker

log = logging.getLogger("loopwright.serving")

CANNOT_START = 78
"""The exit status of a worker that would fail again however often it is started."""

BACKLOG = 2048
LOOK_SECONDS = 0.25
DRAINING = 0.75
"""This share of the time to drain is for requests, the rest for captures."""
STOOD_STILL = 5.0
"""A supervisor that was held up so long (a machine that slept) does not blame its workers for the time."""


def run_server(options: ServerOptions, open_storage: OpenStorage, load: LoadPredictor, extras: Extras) -> None:
    """Serve until SIGTERM or SIGINT; then drain, flush and return.

    `open_storage`, `load` and `extras` are called in each worker, so they must be importable. Raises `HostingError`
    where a port is taken or a worker cannot start.
    """
    set_log_format(options.log)
    options = replace(options, port=_free_port(options.host, options.port), server_name=options.name)
    if options.grpc_port is not None:
        options = replace(options, grpc_port=_free_port(options.host, options.grpc_port, "grpc_port"))
    server = Supervisor(options)
    log.info("inference server on %s, %d workers", ", ".join(_addresses(options)), options.workers)
    with meeting_place(options.spool) as totals:
        told = replace(options, totals=totals)
        worker = partial(_worker, told, open_storage, load, extras)
        server.serve(spawn_target=_answer, target_loader=worker, wrap_loader=False)
    if server.refused:
        raise HostingError("the inference server's workers cannot start", remedy="the log above says why")


class Supervisor(MPServer):
    """Granian's process server, but one that never gives up on a worker that was killed, replaces one that hangs, and
    holds the sockets itself: who connects while a worker is replaced waits for the next one, and is not refused.
    """

    def __init__(self, options: ServerOptions) -> None:
        super().__init__(
            "loopwright",
            address=options.host,
            port=options.port,
            interface=Interfaces.RSGI,
            workers=options.workers,
            websockets=False,
            http=HTTPModes.http1,  # where it must tell versions apart, granian waits for ever for a first byte
            backlog=BACKLOG,
            backpressure=1024,
            http1_settings=HTTP1Settings(header_read_timeout=int(1000 * options.idle_seconds)),
            log_enabled=False,
            workers_kill_timeout=options.drain_seconds,
            ssl_cert=options.tls_certificate,
            ssl_key=options.tls_key,
            ssl_protocol_min=SSLProtocols.tls12,
        )
        self.refused = False
        self._has_served = False
        self._options = options
        self._listeners: list[socket.socket] = []
        self._pulses = [Pulse() for _ in range(options.workers)]
        self._looked = self._awake = time.perf_counter()
        self._with_parent = options.with_parent
        self._parent = os.getppid()
        self._born: dict[int, float] = {}

    def _spawn_worker(self, idx: int, target: Any, callback_loader: Any) -> Any:  # type: ignore[override]
        self._born[idx] = time.monotonic()
        self._pulses[idx] = Pulse()
        # Each has its own where the kernel shares connections out among them, else all have the same.
        self._sso = (self._listeners[idx % len(self._listeners)], self._listeners)
        return super()._spawn_worker(idx, target, partial(callback_loader, idx + 1, self._pulses[idx]))

    def _init_shared_socket(self) -> None:
        self._ssp = self._shd = None
        own = sys.platform == "linux"
        self._listeners = [_listener(self._options) for _ in range(self._options.workers if own else 1)]

    def _drop_shared_socket(self) -> None:
        for listener in self._listeners:
            listener.close()

    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
        while not self._ended():
            self.main_loop_interrupt.wait(LOOK_SECONDS)
            self.main_loop_interrupt.clear()
            self._kill_hung()
            for idx, worker in enumerate(self.wrks):
                if not (worker.inner.is_alive() or self._ended() or self._just_born(idx)):
                    self._replace(idx, spawn_target, target_loader)

    def _kill_hung(self) -> None:
        now = time.perf_counter()
        if now - self._looked > STOOD_STILL:
            self._awake = now
        self._looked = now
        for idx, pulse in enumerate(self._pulses):
            self._has_served |= pulse.alive_at > 0
            silent = now - max(pulse.alive_at, self._awake)
            if pulse.alive_at and silent > self._options.hang_seconds and self.wrks[idx].inner.is_alive():
                log.error("worker %d has not come back for %.0f s: it is killed", idx + 1, silent)
                self.wrks[idx].inner.kill()
                self.wrks[idx].inner.join()

    def _stop_workers(self) -> None:
        ending, patience = list(self.wrks), DRAINING * self._options.drain_seconds
        for pulse in self._pulses:
            pulse.end_at = time.perf_counter() + patience
        super()._stop_workers()  # type: ignore[no-untyped-call]
        for worker in ending:
            if worker.inner.exitcode == -signal.SIGKILL:
                log.error("worker %d did not end in time and was killed: %s", worker.idx + 1, self._loss(worker.idx))

    def shutdown(self, exit_code: int = 0) -> None:
        with suppress(SystemExit):  # that a worker ended first, as at Ctrl-C, is no failure
            super().shutdown(exit_code)  # type: ignore[no-untyped-call]

    def _ended(self) -> bool:
        orphaned = self._with_parent and os.getppid() != self._parent
        return self.interrupt_signal or self.refused or orphaned

    def _replace(self, idx: int, spawn_target: Any, target_loader: Any) -> None:
        code = self.wrks[idx].inner.exitcode
        if code == CANNOT_START and not self._has_served:
            self.refused = True
            return
        log.warning("worker %d ended (exit code %s), another one is started: %s", idx + 1, code, self._loss(idx))
        self._respawn_workers([idx], spawn_target, target_loader)

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


def _answer(number: int, name: Any, loader: Any, sockets: Any, *rest: Any) -> None:
    """A worker's process."""
    own, listeners = sockets[1]
    for listener in listeners:
        if listener is not own:  # it came by birth, and would hold connections that nobody takes
            listener.close()
    holder = SocketHolder(own.fileno(), False, BACKLOG)  # type: ignore[call-arg]
    MPServer._spawn_rsgi_worker(number, name, loader, ((None, holder), None), *rest)


def _worker(
    options: ServerOptions,
    open_storage: OpenStorage,
    load: LoadPredictor,
    extras: Extras,
    number: int,
    pulse: Pulse,
) -> Any:
    set_log_format(options.log)
    try:
        return make_worker(options, open_storage, load, extras, number, pulse)
    except Exception as error:
        log.error("worker %d cannot start: %s", number, error, exc_info=not isinstance(error, LoopwrightError))
        sys.stderr.flush()
        os._exit(CANNOT_START)


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
