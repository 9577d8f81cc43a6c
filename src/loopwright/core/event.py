"""An event: something that happened, for the outbox, the log and the console."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """`kind` is `noun.verb` in the past (`run.finished`); `subject` the id it happened to; `id` makes it unique."""

    id: str
    kind: str
    subject: str
    model: str
    at: datetime
    data: dict[str, Any] = field(default_factory=dict)
