"""What happened to a request, as the recorder remembers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from loopwright.bundle.outputs import Outputs
from loopwright.serving.endpoints import LiveVariant
from loopwright.serving.tabular import Values


@dataclass(slots=True)
class Served:
    """A request that was answered. `columns` are as they came: by raw column, equally long.

    `weight` is what it takes in a buffer: its rows, or the kilobytes of its body where these are more. `named` says
    that the caller chose the variant, so that no lot was drawn.
    """

    live: LiveVariant
    prediction_id: str
    rows: int
    at: datetime
    key: str | None
    latency_ms: float
    columns: Mapping[str, Values]
    outputs: Outputs
    weight: int = 1
    named: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """A request that was not. `slot` is its key's, where it has one and variants share the traffic; none where the
    caller `named` the variant.
    """

    live: LiveVariant
    at: datetime
    kind: str
    slot: int | None = None
    named: bool = False


@dataclass(slots=True)
class Lost:
    """Requests of which nothing but the count is known: the buffer was full."""

    at: datetime
    requests: int = 0
    rows: int = 0
    named: int = 0
