"""Where people are told: a log, a mail, a chat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """One message to people, about `alerts`; a copy sent again has the same `id`, so that it can be dropped."""

    id: str
    severity: Literal["info", "warning", "critical"]
    title: str
    text: str
    alerts: tuple[str, ...] = ()


class Notifier(Protocol):
    """Tells people."""

    def send(self, notice: Notice) -> None:
        """Deliver the notice. Raises `LoopwrightError` when a destination refuses, so that it is tried again."""
