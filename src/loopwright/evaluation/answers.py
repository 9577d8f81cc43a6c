"""A version's outputs, predicted now or captured then, as answers that can be held against another version's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from loopwright.bundle.outputs import Outputs
from loopwright.bundle.records import Manifest
from loopwright.evaluation.differences import Answers
from loopwright.evaluation.tasks import TASKS, class_probabilities
from loopwright.statistics.arrays import AnyArray
from loopwright.traffic.predictions import OUTPUT


def shared_classes(first: Manifest, second: Manifest) -> tuple[str, ...] | None:
    """The classes of both, the first's in front (of two the negative one first), none for numbers; None where one
    answers with numbers and the other with classes.
    """
    if (first.task == "regression") != (second.task == "regression"):
        return None
    known = TASKS[first.task].classes(first)
    return (*known, *(name for name in TASKS[second.task].classes(second) if name not in known))


def read_answers(manifest: Manifest, outputs: Mapping[str, AnyArray], classes: tuple[str, ...]) -> Answers:
    """Outputs as answers over `classes`, which hold all of the manifest's."""
    if manifest.task == "regression":
        return Answers(values=np.asarray(outputs["prediction"], dtype=np.float64))
    labels = tuple("" if one is None else str(one) for one in outputs["label"])
    return Answers(values=class_probabilities(manifest, dict(outputs), classes), labels=labels)


def captured_outputs(rows: pl.DataFrame) -> Outputs:
    """The outputs in captured rows, by their names."""
    return {name[len(OUTPUT) :]: rows[name].to_numpy() for name in rows.columns if name.startswith(OUTPUT)}
