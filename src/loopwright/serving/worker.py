"""One worker process: everything it is made of, from its birth to its end."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from loopwright.core.clock import Clock, SystemClock
from loopwright.core.tls import server_context
from loopwright.errors import BundleError, StorageError
from loopwright.ports.predictor import Predictor
from loopwright.ports.storage import Storage
from loopwright.ports.tracing import Tracing
from loopwright.serving.background import Background, Status, Writer, log
from loopwright.serving.batching import BatchLimits
from loopwright.serving.body import Bodies
from loopwright.serving.colleagues import Colleagues
from loopwright.serving.dataplane import Dataplane
from loopwright.serving.doors import Doors
from loopwright.serving.endpoints import Endpoints
from loopwright.serving.http import HttpServer
from loopwright.serving.models import Shelf
from loopwright.serving.options import ServerOptions
from loopwright.serving.outcomes import tell_outcomes
from loopwright.serving.pulse import Heart, Pulse
from loopwright.serving.recorder import Recorder
from loopwright.serving.shadows import Shadows
from loopwright.serving.spool import Spool
from loopwright.serving.summaries import Windows
from loopwright.serving.threads import budget_threads, take_short_turns
from loopwright.serving.tokens import make_tokens
from loopwright.serving.totals import Totals

DRAINING = 0.75
"""This share of the time to drain is for requests, the rest for captures."""

OpenStorage = Callable[[ServerOptions], Storage]
LoadPredictor = Callable[..., Predictor]


class Door(Protocol):
    """A door beside HTTP, on the worker's event loop."""

    async def open(self) -> None: ...

    async def close(self, seconds: float) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Extras:
    """Makers of what needs packages that not every server has. `door` is called where there is a `grpc_port`."""

    tracing: Callable[[str], Tracing | None] = lambda _: None
    door: Callable[..., Door] | None = None


class Worker:
    """What answers at a listening socket until it is told to end, and then flushes what it has."""

    def __init__(
        self,
        options: ServerOptions,
        name: str,
        storage: Storage,
        load: Callable[[Path], Predictor],
        clock: Clock,
        extras: Extras,
        pulse: Pulse,
    ) -> None:
        options.spool.mkdir(parents=True, exist_ok=True)
        self.name = name
        limits = BatchLimits(rows=options.batch_rows, waiting=options.max_waiting, patience=options.wait_seconds)
        shelf = Shelf(storage, options.spool / "bundles", load, limits)
        self.endpoints = Endpoints(storage, shelf, options.endpoints)
        totals, shadows = Totals(), Shadows(options.shadow_rows, clock, options.hang_seconds)
        recorder = Recorder(options.buffer_rows, shadows.copy)
        spool = Spool(options.spool, name, storage, options.spool_bytes, clock)
        writer = Writer((recorder, shadows.recorder), spool, Windows(options.window_seconds), totals, name)
        status = Status(name, self.endpoints, totals, clock)
        plane = Dataplane(self.endpoints, recorder, clock, options.max_rows, totals.batch)

        def gauges() -> dict[str, float]:
            waiting = [one.oldest for one in (recorder, shadows.recorder, spool)]
            oldest = min((one for one in waiting if one), default=None)
            return {
                "requests_in_flight": plane.in_flight,
                "predictions_waiting": self.endpoints.waiting,
                "shadow_waiting_rows": shadows.waiting,
                "shadows_hung": shadows.hung,
                "capture_waiting_rows": recorder.waiting + shadows.recorder.waiting,
                "capture_lag_seconds": max(0.0, (clock.now() - oldest).total_seconds()) if oldest else 0.0,
                "spool_bytes": spool.waiting_bytes,
            }

        colleagues = Colleagues(options.totals, totals, gauges)
        self._background = Background(
            options, storage, self.endpoints, writer, spool, status, shadows, colleagues, clock
        )
        tokens = make_tokens(options.token, options.endpoint_tokens)
        self._tracing = extras.tracing(name)
        flush = self._background.flush if options.flush == "answer" else None
        bodies = Bodies(options.max_body, options.body_seconds)
        doors = Doors(
            plane,
            self.endpoints,
            status,
            colleagues,
            partial(tell_outcomes, spool, clock) if options.storage_url else None,
            tokens=tokens,
            tracing=self._tracing,
            bodies=bodies,
            server=options.name,
            flush=flush,
        )
        self._http = HttpServer(doors, idle_seconds=options.idle_seconds, take_seconds=options.body_seconds)
        self._tls = None
        if options.tls_certificate and options.tls_key:
            self._tls = server_context(options.tls_certificate, options.tls_key)
        self._plane = plane

        def each_beat() -> None:
            bodies.give_up_slow()
            self._http.sweep()

        self._heart = Heart(
            pulse,
            busy_since=lambda: self.endpoints.busy_since,
            in_flight=lambda: plane.in_flight,
            each_beat=each_beat,
        )
        self._options = options
        self._door = None
        if extras.door is not None:
            self._door = extras.door(plane, self.endpoints, tokens, self._tracing, flush, bodies, options)

    def load_bundle(self) -> None:
        """Load the one bundle that is to be served. Raises `BundleError`: nothing can take its place."""
        self.endpoints.discover()
        self.endpoints.look()
        for fault in self.endpoints.faults.values():
            raise BundleError(fault, remedy="serve another bundle")

    async def serve(self, listener: socket.socket) -> None:
        """Answer until SIGTERM or SIGINT; then answer what has been asked, write and send everything, and return."""
        ending, loop = asyncio.Event(), asyncio.get_running_loop()
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, ending.set)
        # Models are loaded before the first connection is taken, so that a worker which is born again gets no request
        # it cannot answer. Where the store is away the worker comes up all the same, and says that it is not ready.
        try:
            self.endpoints.discover()
            self.endpoints.look()
            self._tell_what_is_missing()
        except StorageError as error:
            log.warning("the store cannot be read: %s", error)
        self._background.start(loop)
        if self._door is not None:
            await self._door.open()
        # What is in memory now stays. Records wait by the thousand for a second and hold no cycles, so the collector
        # would go through them again and again for nothing.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 20, 100)
        self._heart.start(loop)
        self._http.open(listener, self._tls)
        await ending.wait()
        loop.call_later(DRAINING * self._options.drain_seconds, self._break_off)
        await self._http.close()
        if self._door is not None:
            await self._door.close(self._options.drain_seconds)
        self._background.stop()
        if self._tracing is not None:
            self._tracing.close()

    def _tell_what_is_missing(self) -> None:
        """What is misspelt and what is only to come look alike: both are told, and neither keeps the server down."""
        options, known = self._options, {*self.endpoints.live, *self.endpoints.faults}
        if not known and options.endpoints is None:
            log.warning("nothing is deployed in %s yet; what comes is taken up", options.storage_url)
        here = ", ".join(sorted(known)) or "none"
        for name in sorted({*(options.endpoints or ())} - known):
            log.warning("endpoint %s is not deployed in %s yet", name, options.storage_url)
        for name in sorted({*options.endpoint_tokens} - known):
            log.warning("endpoint_tokens names %s, which is no endpoint here yet (there are: %s)", name, here)

    def _break_off(self) -> None:
        log.error("the time to drain is over: %d requests in flight are not answered", self._plane.in_flight)
        try:
            self._background.stop()
        finally:
            os._exit(0)


def make_worker(
    options: ServerOptions,
    open_storage: OpenStorage,
    load: LoadPredictor,
    extras: Extras,
    number: int,
    pulse: Pulse,
) -> Worker:
    """The worker called `<server>-<number>`. Raises `SettingsError`, `StorageError` and `BundleError`."""

    budget_threads(options.worker_threads)
    take_short_turns()

    def open_bundle(folder: Path) -> Predictor:
        return load(folder, allow_pickle=options.allow_pickle, threads=options.worker_threads, device=options.device)

    worker = Worker(
        options, f"{options.name}-{number}", open_storage(options), open_bundle, SystemClock(), extras, pulse
    )
    if options.bundle:
        worker.load_bundle()
    return worker
