"""Where spans of inference requests go: an OpenTelemetry collector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Span(Protocol):
    """One request, from its first byte to its answer."""

    @property
    def traceparent(self) -> str:
        """The W3C trace context to hand on: the trace that the request came with, and this span in it."""

    def tell(self, facts: Mapping[str, str | int]) -> None:
        """Add attributes."""

    def end(self, error: str = "") -> None:
        """The request is over; `error` is the kind of what went wrong, if anything."""


class Tracing(Protocol):
    """Makes spans. Nothing here waits for the network."""

    def begin(self, endpoint: str | None, traceparent: str | None, tracestate: str | None) -> Span:
        """A span below the one that the request names; the first of a new trace where it names none that can be."""

    def close(self) -> None:
        """Send what is left."""
