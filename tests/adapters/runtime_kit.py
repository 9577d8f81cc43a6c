"""What the tests of the runtimes share: bundles of models fitted on the same made houses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopwright.bundle.encoding import encode
from loopwright.bundle.outputs import task_signature
from loopwright.bundle.records import Manifest, Runtime
from loopwright.bundle.write import write_bundle
from loopwright.policies.tasks import TaskName
from tests.bootstrap.test_predictor import CLASSES, ENCODING, INPUTS, rows

ROWS = {name: values[:40] for name, values in rows().items()}
MATRIX = encode(ENCODING, rows())
WORTH = np.nan_to_num(MATRIX[:, 0]) * MATRIX[:, 1] / 100 + (MATRIX[:, 3] == 1)


def target(task: TaskName) -> NDArray[Any]:
    """What the models learn: what a house is worth, or its class by that."""
    cuts = {"binary": [0.5], "multiclass": [0.3, 0.6]}
    return WORTH if task == "regression" else np.searchsorted(np.quantile(WORTH, cuts[task]), WORTH)


def write(folder: Path, runtime: Runtime, task: TaskName, contents: Mapping[str, bytes]) -> Path:
    """A bundle around the model in `contents`."""
    draft = Manifest(
        model="houses",
        task=task,
        runtime=runtime,
        signature=task_signature(task, INPUTS, CLASSES[task]),
        files={},
        created=datetime(2026, 1, 1, tzinfo=UTC),
        classes=CLASSES[task],
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_bundle(folder, draft, encoding=ENCODING, contents=contents)
    return folder


def outputs(task: TaskName, scores: NDArray[Any]) -> dict[str, Any]:
    """The model's own scores for `ROWS`, as the bundle names them."""
    names: dict[TaskName, str] = {"regression": "prediction", "binary": "probability", "multiclass": "probabilities"}
    return {names[task]: scores[: len(ROWS["size"])]}
