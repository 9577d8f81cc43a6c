"""What is live: each server says what it serves, so that desired and observed can be told apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerStatus:
    """What one server serves: for each endpoint the revision in force; `faults` says why a newer one is not."""

    server: str
    at: datetime
    revisions: dict[str, int]
    faults: dict[str, str] = field(default_factory=dict)
    dropped: int = 0


STATUS_FOLDER = "status/"


def status_key(server: str) -> str:
    return f"{STATUS_FOLDER}{server}.json"
