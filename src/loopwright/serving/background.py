"""What a worker does beside answering: follow revisions, write captures and summaries, say how it is."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import time
from collections.abc import Callable, Sequence
from itertools import count
from threading import Event, Lock, Thread

import numpy as np

from loopwright.core.clock import Clock
from loopwright.core.codec import to_json
from loopwright.errors import LoopwrightError
from loopwright.ports.storage import Storage
from loopwright.serving.batch import Batch, join
from loopwright.serving.capture import segment, write_segment
from loopwright.serving.colleagues import Colleagues
from loopwright.serving.endpoints import Endpoints, LiveVariant
from loopwright.serving.options import ServerOptions
from loopwright.serving.recorder import Recorder
from loopwright.serving.shadows import Shadows
from loopwright.serving.spool import Spool
from loopwright.serving.summaries import Windows
from loopwright.serving.threads import NoTurns, Turns, give_way
from loopwright.serving.totals import Totals
from loopwright.traffic.predictions import segment_key
from loopwright.traffic.status import ServerStatus, status_key
from loopwright.traffic.summary import summary_key

log = logging.getLogger("loopwright.serving")

DISCOVER_SECONDS = 2.0
STATUS_SECONDS = 5.0
ADOPT_SECONDS = 15.0
SHADOW_SECONDS = 0.02
SHADOW_END_SECONDS = 1.0
"""So long the end waits for a shadow's prediction under way, for which no client waits."""


class Writer:
    """Turns what the recorders hold into segments and summaries in the spool."""

    def __init__(
        self, recorders: Sequence[Recorder], spool: Spool, windows: Windows, totals: Totals, server: str
    ) -> None:
        self._recorders = tuple(recorders)
        self._spool = spool
        self._windows = windows
        self._totals = totals
        # Keys must not repeat when a server of the same name starts again within a second.
        self._server = f"{server}-{secrets.token_hex(2)}"
        self._numbers = count()

    def write(self, clock: Clock, *, everything: bool = False, turns: NoTurns | None = None) -> None:
        """Write the records so far, and the windows that are over (all, where `everything`); by `turns`, if given."""
        turns = turns or NoTurns()
        try:
            for recorder in self._recorders:
                self._take(recorder, turns)
        finally:
            turns.end()
        for summary in self._windows.closed(None if everything else clock.now()):
            if not self._spool.add(summary_key(summary, self._server, next(self._numbers)), to_json(summary)):
                self._totals.lose_summary((summary.endpoint, summary.variant, summary.version))

    def _take(self, recorder: Recorder, turns: NoTurns) -> None:
        turns.rest()
        batches, failed, lost = recorder.take()
        self._totals.fail(failed)
        for failure, requests in failed.items():
            self._windows.fail(failure, requests)
        for live, tally in lost.items():
            self._totals.lose(live, tally)
            self._windows.drop(live, tally.at, tally.rows, requests=tally.requests, named=tally.named)
        for place, batch in self._by_window(batches, turns.rest):
            self._totals.serve(batch)
            try:
                self._windows.serve(batch, place, turns.rest)
            except Exception:  # one batch that cannot be counted shall not cost the others
                log.exception("%s: a batch could not be summed up", batch.live.revision.endpoint)
            if (share := batch.live.revision.capture.share) > 0:
                self._capture(batch.sampled(share), turns)

    def _by_window(self, batches: Sequence[Batch], rest: Callable[[], None]) -> list[tuple[int, Batch]]:
        """The batches by window and variant, joined."""
        groups: dict[tuple[LiveVariant, int], list[Batch]] = {}
        for batch in batches:
            places = [self._windows.place(at) for at in (batch.at[0], batch.at[-1])]
            if places[0] != places[1]:
                places = [self._windows.place(at) for at in batch.at]
            for place in sorted(set(places)):
                chosen = batch if len(set(places)) == 1 else batch.where(np.array(places) == place)
                groups.setdefault((batch.live, place), []).append(chosen)
        return [(place, join(several, rest)) for (_, place), several in groups.items()]

    def _capture(self, batch: Batch, turns: NoTurns) -> None:
        if not batch.requests:
            return
        live, first = batch.live, batch.at[0]
        key = segment_key(live.revision.endpoint, first, self._server, next(self._numbers))
        try:
            table = segment(batch, turns.rest)
            turns.end()
            kept = self._spool.add(key, write_segment(table))
        except Exception:
            log.exception("%s: a segment could not be made", live.revision.endpoint)
            kept = False
        if not kept:
            self._windows.drop(live, first, batch.rows)
            self._totals.drop(live, batch.rows)


class Status:
    """What is in force here, for the control plane and for whoever asks this server."""

    def __init__(self, server: str, endpoints: Endpoints, totals: Totals, clock: Clock) -> None:
        self.server = server
        self._endpoints = endpoints
        self._totals = totals
        self._clock = clock

    def record(self) -> ServerStatus:
        return ServerStatus(
            server=self.server,
            at=self._clock.now(),
            revisions={name: live.revision.number for name, live in self._endpoints.live.items()},
            faults=self._endpoints.faults,
            dropped=self._totals.dropped,
        )

    @property
    def digests(self) -> dict[str, str]:
        """The digest of the revision in force, by endpoint: it tells one store's endpoints from another's."""
        return {name: live.digest for name, live in self._endpoints.live.items()}


class Background:
    """A worker's threads: one follows revisions, one writes, one sends, one predicts for shadows. A store that hangs
    does not stop the rest.
    """

    def __init__(
        self,
        options: ServerOptions,
        storage: Storage,
        endpoints: Endpoints,
        writer: Writer,
        spool: Spool,
        status: Status,
        shadows: Shadows,
        colleagues: Colleagues,
        clock: Clock,
    ) -> None:
        self._options = options
        self._storage = storage
        self._endpoints = endpoints
        self._writer = writer
        self._spool = spool
        self._status = status
        self._shadows = shadows
        self._colleagues = colleagues
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = Event()
        self._writing = Lock()
        self._sending = Lock()
        self._threads = [
            self._every("follow", options.poll_seconds, self._follow()),
            self._every("write", options.flush_seconds, self._write),
            self._every("send", options.flush_seconds / 2, self._send()),
            self._every("parent", 0.5, _end_with_supervisor()),
            self._every("hung", 0.5, self._replace_hung),
        ]
        self._shadow = self._every("shadow", SHADOW_SECONDS, shadows.work, shadows.due)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        for thread in (*self._threads, self._shadow):
            thread.start()

    def stop(self) -> None:
        """Stop the threads and write and send everything that is left."""
        self._stopping.set()
        self._shadows.end()
        self._write()  # first of all: whoever stops this process may not wait for a thread or a store that hangs
        for thread in self._threads:
            thread.join(timeout=10)
        self._shadow.join(timeout=SHADOW_END_SECONDS)
        self._shadows.give_up_hung()
        self._shadows.work()
        if self.flush():
            self._forget_status()
        self._colleagues.tell()
        self._spool.close()

    def flush(self) -> bool:
        """Write and send everything that is there; whether the store has it all now."""
        with self._writing:
            self._writer.write(self._clock, everything=True)
        with self._sending:
            return self._spool.send()

    def _write(self) -> None:
        with self._writing:
            self._writer.write(self._clock, turns=self._turns())
        self._colleagues.tell()

    def _turns(self) -> NoTurns:
        """No turns where the loop is at its end, and would give none, or where answers wait until all is written."""
        if self._loop is None or self._stopping.is_set() or self._options.flush == "answer":
            return NoTurns()
        return Turns(self._loop, self._options.flush_seconds / 2, self._stopping)

    def _replace_hung(self) -> None:
        """Where a shadow's model does not come back, another thread works for the other shadows."""
        if self._shadows.give_up_hung() and not self._stopping.is_set():
            self._shadow = self._every("shadow", SHADOW_SECONDS, self._shadows.work, self._shadows.due)
            self._shadow.start()

    def _follow(self) -> Callable[[], None]:
        discovered = said = float("-inf")

        def follow() -> None:
            nonlocal discovered, said
            now = self._clock.now().timestamp()
            if now - discovered >= DISCOVER_SECONDS:
                discovered = now
                self._endpoints.discover()
            changed = self._endpoints.look()
            if changed or now - said >= STATUS_SECONDS:
                said = now
                self._storage.put(status_key(self._status.server), to_json(self._status.record()))

        return follow

    def _send(self) -> Callable[[], None]:
        adopted = float("-inf")

        def send() -> None:
            nonlocal adopted
            with self._sending:
                self._spool.send()
                now = self._clock.now().timestamp()
                if now - adopted >= ADOPT_SECONDS:
                    adopted = now
                    self._spool.adopt()

        return send

    def _forget_status(self) -> None:
        try:
            self._storage.delete(status_key(self._status.server))
        except LoopwrightError as error:
            log.warning("the status stays: %s", error)

    def _every(self, name: str, seconds: float, act: Callable[[], object], due: Event | None = None) -> Thread:
        """A thread that acts every so many seconds, or so long after it is `due`, until it is to stop or the act says
        False. What an act takes comes off the pause, up to half of it.
        """

        def loop() -> None:
            if name in _YIELDING:
                give_way()
            said, pause = "", seconds
            while not self._pause(pause, due):
                began = time.perf_counter()
                try:
                    goes_on = act()
                    said = ""
                    if goes_on is False:
                        return
                except LoopwrightError as error:
                    if said != str(error):  # a store that stays away is told once
                        log.warning("%s: %s", name, error)
                    said = str(error)
                except Exception:
                    log.exception("%s failed", name)
                pause = max(seconds / 2, seconds - (time.perf_counter() - began))

        return Thread(target=loop, name=name, daemon=True)

    def _pause(self, seconds: float, due: Event | None) -> bool:
        """Whether the server stops."""
        if due is not None:
            due.wait()
        stops = self._stopping.wait(seconds)
        if due is not None:
            due.clear()
        return stops


_YIELDING = ("write", "send")


def _end_with_supervisor() -> Callable[[], None]:
    """A worker whose supervisor was killed would hold the port for ever: it ends as if it had been asked to."""
    supervisor = os.getppid()

    def check() -> None:
        if os.getppid() != supervisor:
            os.kill(os.getpid(), signal.SIGTERM)

    return check
