"""The inference server: a supervisor that owns the port, and worker processes that answer."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from granian.constants import Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.mp import MPServer

from loopwright.errors import HostingError, LoopwrightError
from loopwright.serving.colleagues import meeting_place
from loopwright.serving.logs import set_log_format
from loopwright.serving.options import ServerOptions
from loopwright.serving.worker import Extras, LoadPredictor, OpenStorage, make_worker

log = logging.getLogger("loopwright.serving")

CANNOT_START = 78
"""The exit status of a worker that would fail again however often it is started."""


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
        server.serve(target_loader=worker, wrap_loader=False)
    if server.refused:
        raise HostingError("the inference server's workers cannot start", remedy="the log above says why")


class Supervisor(MPServer):
    """Granian's process server, but one that never gives up on a worker that was killed."""

    def __init__(self, options: ServerOptions) -> None:
        super().__init__(
            "loopwright",
            address=options.host,
            port=options.port,
            interface=Interfaces.RSGI,
            workers=options.workers,
            websockets=False,
            backlog=2048,
            backpressure=1024,
            http1_settings=HTTP1Settings(header_read_timeout=15_000),
            log_enabled=False,
            workers_kill_timeout=options.drain_seconds,
            ssl_cert=options.tls_certificate,
            ssl_key=options.tls_key,
            ssl_protocol_min=SSLProtocols.tls12,
        )
        self.refused = False
        self._with_parent = options.with_parent
        self._parent = os.getppid()
        self._born: dict[int, float] = {}

    def _spawn_worker(self, idx: int, target: Any, callback_loader: Any) -> Any:  # type: ignore[override]
        self._born[idx] = time.monotonic()
        return super()._spawn_worker(idx, target, partial(callback_loader, idx + 1))

    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
        while not self._ended():
            self.main_loop_interrupt.wait(0.5)
            self.main_loop_interrupt.clear()
            dead, self.interrupt_children = self.interrupt_children, []
            for idx in [] if self._ended() else dead:
                self._replace(idx, spawn_target, target_loader)

    def _ended(self) -> bool:
        orphaned = self._with_parent and os.getppid() != self._parent
        return self.interrupt_signal or self.refused or orphaned

    def _replace(self, idx: int, spawn_target: Any, target_loader: Any) -> None:
        code = self.wrks[idx].inner.exitcode
        if code == CANNOT_START:
            self.refused = True
            return
        log.warning("worker %d ended (exit code %s): another one is started", idx + 1, code)
        if time.monotonic() - self._born[idx] < 1.0:
            time.sleep(0.5)  # one that dies at birth shall not keep the machine busy
        self._respawn_workers([idx], spawn_target, target_loader)


def _worker(options: ServerOptions, open_storage: OpenStorage, load: LoadPredictor, extras: Extras, number: int) -> Any:
    set_log_format(options.log)
    try:
        return make_worker(options, open_storage, load, extras, number)
    except (LoopwrightError, OSError) as error:
        log.error("worker %d cannot start: %s", number, error)
        sys.stderr.flush()
        os._exit(CANNOT_START)


def _addresses(options: ServerOptions) -> Iterator[str]:
    yield f"{'https' if options.tls_certificate else 'http'}://{options.host}:{options.port}"
    if options.grpc_port is not None:
        yield f"gRPC {options.host}:{options.grpc_port}"


def _free_port(host: str, port: int, setting: str = "inference_port") -> int:
    """`port`, or any free one for 0. Workers share the port among themselves, so it is tried here, unshared."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise HostingError(
            f"the inference server cannot listen on {host}:{port}: {reason}",
            remedy=f"stop what listens there, or choose another port ({setting})",
        ) from None
