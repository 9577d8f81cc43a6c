"""Rows in, outputs and their record out: what all doors share."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count

from loopwright.bundle.outputs import Outputs
from loopwright.core.clock import Clock
from loopwright.errors import HostingError, LoopwrightError, NotFoundError, RequestError
from loopwright.ports.tracing import Span
from loopwright.serving.batching import DeadlineError, Gone
from loopwright.serving.endpoints import Endpoints, LiveEndpoint, LiveVariant
from loopwright.serving.recorder import Recorder
from loopwright.serving.router import slot
from loopwright.serving.served import Failed, Served
from loopwright.serving.tabular import Rows, first_key, shown

ID = re.compile(r"[\x21-\x7e]{1,128}")
"""What a prediction id may look like: it travels in headers, keys of outcomes and file columns."""

Read = Callable[[LiveEndpoint], tuple[Rows, str | None]]
"""A door's way to its rows, and to the prediction id if the body gives one. Raises `RequestError`."""


@dataclass(slots=True)
class Call:
    """What surrounds the rows. `variant` and `version` name who should answer, `key` whose request it is.

    `size` is the body's, in bytes. `began` and `deadline` are moments of `time.perf_counter()`; `gone` ends when the
    client has left. `span` is there where requests are traced.
    """

    endpoint: str | None
    began: float
    prediction_id: str | None = None
    key: str | None = None
    variant: str | None = None
    version: str | None = None
    deadline: float | None = None
    gone: Gone | None = None
    span: Span | None = None
    size: int = 0


@dataclass(slots=True)
class Answer:
    """What came of a call, and who gave it."""

    prediction_id: str
    outputs: Outputs
    live: LiveVariant


class Dataplane:
    """Routes, predicts and records. One a worker; its methods belong to the event loop's thread."""

    def __init__(
        self,
        endpoints: Endpoints,
        recorder: Recorder,
        clock: Clock,
        max_rows: int,
        batched: Callable[[LiveVariant, int], None],
    ) -> None:
        """`batched` is told how many rows a variant's model predicts together in its thread."""
        self._endpoints = endpoints
        self._batched = batched
        self._recorder = recorder
        self._clock = clock
        self.max_rows = max_rows
        self._prefix = secrets.token_hex(6)
        self._numbers = count()
        self.in_flight = 0

    def endpoint(self, name: str | None) -> LiveEndpoint:
        """The endpoint in force called `name`; the only one where no name is given. Raises `NotFoundError` or
        `HostingError` (it is known, but not ready).
        """
        live = self._endpoints.live
        if name is None:
            if (only := self._endpoints.only) is not None:
                return only
            raise NotFoundError(
                f"this server serves {len(live)} endpoints, and the request names none",
                remedy="name it in the header X-Loopwright-Endpoint, or post to /endpoints/<name>/invocations",
            )
        found = live.get(name)
        if found is None:
            if name in self._endpoints.faults:
                raise HostingError(f"endpoint {name} is not ready", remedy="look at the server's /status")
            raise NotFoundError(f"there is no endpoint {shown(name)}", remedy=f"there are: {', '.join(sorted(live))}")
        return found

    async def infer(self, call: Call, read: Read) -> Answer:
        """Read the rows, let a variant answer them, and record it.

        Raises `NotFoundError`, `RequestError`, `FeatureError`, `BundleError` and `HostingError`.
        """
        endpoint = self.endpoint(call.endpoint)
        live: LiveVariant | None = None
        target: LiveVariant | None = None
        key = call.key
        self.in_flight += 1
        try:
            target = live = self._targeted(endpoint, call)
            rows, body_id = read(endpoint)
            prediction_id = self._identify(call.prediction_id or body_id)
            key = call.key or first_key(rows.columns, endpoint.revision.sticky_by)
            live = live or endpoint.route(key or prediction_id)
            if call.deadline is not None and time.perf_counter() > call.deadline:
                raise DeadlineError("the request's time was over before it was read", remedy="allow more time")
            model, number = live.model, self._counted(rows)
            if number <= model.quick_rows:
                outputs = model.predict_quick(rows.columns, number)
            else:
                outputs = await model.predict(
                    rows.columns, number, deadline=call.deadline, gone=call.gone, batched=partial(self._batched, live)
                )
        except LoopwrightError as error:
            if call.span is not None:
                _tell(call.span, endpoint, live)
            self._recorder.failed(self._failure(endpoint, live, key, error, named=target is not None))
            raise
        finally:
            self.in_flight -= 1
        latency = 1000 * (time.perf_counter() - call.began)
        columns, weight = live.known(rows.columns), max(rows.count, call.size >> 10)
        named, now = target is not None, self._clock.now()
        self._recorder.served(
            Served(live, prediction_id, rows.count, now, call.key, latency, columns, outputs, weight, named)
        )
        if call.span is not None:
            _tell(call.span, endpoint, live, rows=rows.count, prediction_id=prediction_id)
        return Answer(prediction_id, outputs, live)

    def refused(self, call: Call, error: LoopwrightError) -> None:
        """Count a request that was turned away before its rows could be read."""
        endpoint = self._endpoints.live.get(call.endpoint or "")
        if endpoint is not None:
            self._recorder.failed(self._failure(endpoint, None, call.key, error))

    def _failure(
        self,
        endpoint: LiveEndpoint,
        live: LiveVariant | None,
        key: str | None,
        error: LoopwrightError,
        *,
        named: bool = False,
    ) -> Failed:
        """A failure before a variant was chosen counts against who would have been: else all would hit the same one."""
        unit = key or self._identify(None)
        keyed = not named and (key is not None or endpoint.revision.sticky_by is not None)
        place = slot(endpoint.revision.endpoint, unit) if keyed and len(endpoint.variants) > 1 else None
        return Failed(live or endpoint.route(unit), self._clock.now(), error_kind(error), place, named)

    def _targeted(self, endpoint: LiveEndpoint, call: Call) -> LiveVariant | None:
        if call.version is not None:
            return endpoint.version(call.version)
        return endpoint.named(call.variant) if call.variant is not None else None

    def _identify(self, given: str | None) -> str:
        if given is None:
            return f"{self._prefix}{next(self._numbers):08x}"
        if not ID.fullmatch(given):
            raise RequestError(
                f"the prediction id is {shown(given)}", remedy="send 1 to 128 printable ASCII characters, no blanks"
            )
        return given

    def _counted(self, rows: Rows) -> int:
        if rows.count == 0:
            raise RequestError("the request holds no rows", remedy="send at least one row")
        if rows.count > self.max_rows:
            raise RequestError(
                f"the request holds {rows.count:,} rows", remedy=f"send {self.max_rows:,} at most, or use batch"
            )
        return rows.count


def error_kind(error: LoopwrightError) -> str:
    """How summaries and error bodies name what went wrong: `request`, `model` or `overload`."""
    if isinstance(error, RequestError | NotFoundError):
        return "request"
    return "overload" if isinstance(error, HostingError) else "model"


def error_text(error: LoopwrightError) -> str:
    """What clients are told: what is wrong, and the remedy where there is one."""
    return f"{error.message}: {error.remedy}" if error.remedy else error.message


def _tell(span: Span, endpoint: LiveEndpoint, live: LiveVariant | None, **facts: str | int) -> None:
    facts["endpoint"] = endpoint.revision.endpoint
    if live is not None:
        facts |= {"variant": live.variant.name, "version": live.variant.version, "revision": live.revision.number}
    span.tell({f"loopwright.{name}": value for name, value in facts.items()})
