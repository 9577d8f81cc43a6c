"""One worker process: everything it is made of, from its birth to its end."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from loopwright.core.clock import Clock, SystemClock
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
from loopwright.serving.models import Shelf
from loopwright.serving.options import ServerOptions
from loopwright.serving.outcomes import tell_outcomes
from loopwright.serving.pulse import Heart, Pulse
from loopwright.serving.recorder import Recorder
from loopwright.serving.rsgi import HTTPProtocol, Scope
from loopwright.serving.shadows import Shadows
from loopwright.serving.spool import Spool
from loopwright.serving.summaries import Windows
from loopwright.serving.threads import budget_threads
from loopwright.serving.tokens import make_tokens
from loopwright.serving.totals import Totals

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
    """What granian calls: `__rsgi_init__` before the first request, `__rsgi_del__` after the last one is answered."""

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
        self._doors = Doors(
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
        self._plane = plane
        self._heart = Heart(
            pulse,
            busy_since=lambda: self.endpoints.busy_since,
            in_flight=lambda: plane.in_flight,
            each_beat=bodies.give_up_slow,
            end=self._break_off,
        )
        self._drain_seconds = options.drain_seconds
        self._door = None
        if extras.door is not None:
            self._door = extras.door(plane, self.endpoints, tokens, self._tracing, flush, bodies, options)

    def load_bundle(self) -> None:
        """Load the one bundle that is to be served. Raises `BundleError`: nothing can take its place."""
        self.endpoints.discover()
        self.endpoints.look()
        for fault in self.endpoints.faults.values():
            raise BundleError(fault, remedy="serve another bundle")

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Models are loaded before the port is bound, so that a worker which is born again gets no request it cannot
        # answer. Where the store is away the worker comes up all the same, and says that it is not ready.
        try:
            self.endpoints.discover()
            self.endpoints.look()
        except StorageError as error:
            log.warning("the store cannot be read: %s", error)
        self._background.start()
        if self._door is not None:
            loop.run_until_complete(self._door.open())
        # What is in memory now stays. Records wait by the thousand for a second and hold no cycles, so the collector
        # would go through them again and again for nothing.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 20, 100)
        self._heart.start(loop)

    @property
    def __rsgi__(self) -> Callable[[Scope, HTTPProtocol], Awaitable[None]]:
        return self._doors.__call__

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._door is not None:
            loop.run_until_complete(self._door.close(self._drain_seconds))
        self._background.stop()
        if self._tracing is not None:
            self._tracing.close()

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
) -> Any:
    """The worker called `<server>-<number>`. Raises `SettingsError`, `StorageError` and `BundleError`."""

    budget_threads(options.worker_threads)

    def open_bundle(folder: Path) -> Predictor:
        return load(folder, allow_pickle=options.allow_pickle, threads=options.worker_threads, device=options.device)

    worker = Worker(
        options, f"{options.name}-{number}", open_storage(options), open_bundle, SystemClock(), extras, pulse
    )
    if options.bundle:
        worker.load_bundle()
    return worker
