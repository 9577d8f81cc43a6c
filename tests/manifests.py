"""A manifest as tests of served models want one: of any task, with nothing in it that they do not look at."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from loopwright.bundle.outputs import task_signature
from loopwright.bundle.records import Manifest
from loopwright.policies.tasks import TaskName

CLASSES: dict[TaskName, tuple[str, ...]] = {"regression": (), "binary": ("no", "yes"), "multiclass": ("a", "b", "c")}


def draft_manifest(task: TaskName, created: datetime, **changes: Any) -> Manifest:
    """Of the model `demand`."""
    return Manifest(
        model="demand",
        task=task,
        runtime="python",
        signature=task_signature(task, (), CLASSES[task]),
        files={},
        created=created,
        classes=CLASSES[task],
        **changes,
    )
