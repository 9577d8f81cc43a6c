"""One worker process: everything it is made of, from its birth to its end."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loopwright.core.clock import Clock, SystemClock
from loopwright.errors import BundleError, StorageError
from loopwright.ports.predictor import Predictor
from loopwright.ports.storage import Storage
from loopwright.serving.background import Background, Status, Writer, log
from loopwright.serving.dataplane import Dataplane
from loopwright.serving.doors import Doors
from loopwright.serving.endpoints import Endpoints
from loopwright.serving.models import Shelf
from loopwright.serving.options import ServerOptions
from loopwright.serving.recorder import Recorder
from loopwright.serving.rsgi import HTTPProtocol, Scope
from loopwright.serving.spool import Spool
from loopwright.serving.summaries import Windows
from loopwright.serving.threads import budget_threads
from loopwright.serving.totals import Totals

OpenStorage = Callable[[ServerOptions], Storage]
LoadPredictor = Callable[..., Predictor]


class Worker:
    """What granian calls: `__rsgi_init__` before the first request, `__rsgi_del__` after the last one is answered."""

    def __init__(
        self, options: ServerOptions, name: str, storage: Storage, load: Callable[[Path], Predictor], clock: Clock
    ) -> None:
        options.spool.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.endpoints = Endpoints(storage, Shelf(storage, options.spool / "bundles", load), options.endpoints)
        recorder, totals = Recorder(options.buffer_rows), Totals()
        spool = Spool(options.spool, name, storage, options.spool_bytes)
        writer = Writer(recorder, spool, Windows(options.window_seconds), totals, name)
        status = Status(name, self.endpoints, totals, clock)
        self._background = Background(options, storage, self.endpoints, writer, spool, status, clock)
        plane = Dataplane(self.endpoints, recorder, clock, options.max_rows)
        self._doors = Doors(
            plane,
            self.endpoints,
            status,
            totals,
            lambda: {
                "requests_in_flight": plane.in_flight,
                "capture_waiting_rows": recorder.waiting,
                "spool_bytes": spool.waiting_bytes,
            },
            token=options.token,
            max_body=options.max_body,
        )

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
        # What is in memory now stays. Records wait by the thousand for a second and hold no cycles, so the collector
        # would go through them again and again for nothing.
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 20, 100)
        # The writer thread would keep a request waiting for the usual 5 ms.
        sys.setswitchinterval(0.0005)

    async def __rsgi__(self, scope: Scope, proto: HTTPProtocol) -> None:
        await self._doors(scope, proto)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._background.stop()


def make_worker(options: ServerOptions, open_storage: OpenStorage, load: LoadPredictor, number: int) -> Any:
    """The worker called `<server>-<number>`. Raises `SettingsError`, `StorageError` and `BundleError`."""

    budget_threads(options.worker_threads)

    def open_bundle(folder: Path) -> Predictor:
        return load(folder, allow_pickle=options.allow_pickle, threads=options.worker_threads)

    worker = Worker(options, f"{options.name}-{number}", open_storage(options), open_bundle, SystemClock())
    if options.bundle:
        worker.load_bundle()
    return worker
