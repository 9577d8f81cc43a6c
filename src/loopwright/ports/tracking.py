"""Where runs, metrics and versions are shown to the outside: MLflow. A projection of our records, not their source."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackedRun:
    """A run or a trial as the tracking store shows it. `id` is ours; recording the same id again changes nothing.

    `files` are local files by their artifact path (`pictures/roc.png`).
    """

    id: str
    model: str
    name: str
    started: datetime
    finished: datetime | None
    state: Literal["running", "succeeded", "failed"]
    parent: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackedVersion:
    """A model version as the tracking store shows it: `folder` is the bundle, an MLflow model directory."""

    id: str
    model: str
    number: int
    run: str
    folder: Path
    tags: dict[str, str] = field(default_factory=dict)


class Tracking(Protocol):
    """Record runs, versions and aliases, each as often as one likes with the same effect as once."""

    def record_run(self, run: TrackedRun) -> None:
        """Create the run if its id is not there yet, and bring its figures up to date."""

    def record_version(self, version: TrackedVersion) -> str:
        """Register the version if its id is not there yet; returns the number the tracking store gave it."""

    def point_alias(self, model: str, alias: str, version_id: str | None) -> None:
        """Let `alias` name the version with our id; None removes the alias."""

    def aliases(self, model: str) -> dict[str, str]:
        """Which of our version ids each alias names there now, so that a move by hand can be reported."""
