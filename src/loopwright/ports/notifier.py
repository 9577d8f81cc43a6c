"""Where people are told: a log, a mail, a chat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """One message to people; `id` is the alert's, so that a destination can drop a second copy."""

    id: str
    severity: Literal["info", "warning", "critical"]
    title: str
    text: str


class Notifier(Protocol):
    """Tells people."""

    def send(self, notice: Notice) -> None:
        """Deliver the notice. Raises `LoopwrightError` when a destination refuses, so that it is tried again."""
