"""How long it is usually silent: the gaps between what comes, and when something last did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

REMEMBERED = 500
"""The latest gaps, of which the longest says what is usual."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Silence:
    """`last` is when something last came, None where nothing has; `gaps` are the silences before, in seconds."""

    last: datetime | None = None
    gaps: tuple[float, ...] = ()

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Silence:
        """What a watch remembers."""
        last = data.get("last")
        return cls(last=datetime.fromisoformat(last) if last else None, gaps=tuple(data.get("gaps", ())))

    def data(self) -> dict[str, Any]:
        return {"last": self.last.isoformat() if self.last else None, "gaps": list(self.gaps)}

    def ended(self, start: datetime, end: datetime) -> Silence:
        """Something came from `start` to `end`. A clock that went back makes no gap."""
        if self.last is None:
            return Silence(last=end)
        gap = max(0.0, (start - self.last).total_seconds())
        return Silence(last=max(end, self.last), gaps=(*self.gaps, gap)[-REMEMBERED:])
