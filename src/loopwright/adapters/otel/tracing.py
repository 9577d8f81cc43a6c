"""Spans by the OpenTelemetry SDK, in batches to an OTLP endpoint. The standard `OTEL_` variables, which the SDK reads
itself, say where they go and how many of them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator


class OtelTracing:
    """Keeps the promise of `ports.Tracing`. `server` tells the instances of a service apart."""

    def __init__(self, server: str, version: str) -> None:
        about = {SERVICE_INSTANCE_ID: server, SERVICE_VERSION: version}
        if "OTEL_SERVICE_NAME" not in os.environ:
            about[SERVICE_NAME] = "loopwright"
        self._provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
        # Where the receiver is away, spans are dropped when the queue is full; the requests never wait for it.
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("loopwright", version)

    def begin(self, endpoint: str | None, traceparent: str | None, tracestate: str | None) -> OtelSpan:
        """See `loopwright.ports.tracing.Tracing.begin`."""
        said = {"traceparent": traceparent or "", "tracestate": tracestate or ""}
        # The SDK would write a line to the log for each that is too long.
        carrier = {key: value for key, value in said.items() if 0 < len(value) <= _LONGEST}
        about = {"loopwright.endpoint": endpoint[:_LONGEST]} if endpoint else None
        context = _CONTEXT.extract(carrier)
        return OtelSpan(self._tracer.start_span("infer", context, kind=SpanKind.SERVER, attributes=about))

    def close(self) -> None:
        """See `loopwright.ports.tracing.Tracing.close`."""
        closing = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(timeout=_CLOSE_SECONDS)  # a receiver that is away shall not hold up the server's end


class OtelSpan:
    """Keeps the promise of `ports.Span`."""

    __slots__ = ("_span", "traceparent")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def tell(self, facts: Mapping[str, str | int]) -> None:
        """See `loopwright.ports.tracing.Span.tell`."""
        self._span.set_attributes(facts)

    def end(self, error: str = "") -> None:
        """See `loopwright.ports.tracing.Span.end`."""
        if error:
            self._span.set_attribute("error.type", error)
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


_CONTEXT = TraceContextTextMapPropagator()
_CLOSE_SECONDS = 3.0
_LONGEST = 512
