"""Tasks as plug-ins: how each kind of model's outputs become scores, what came true, and what a dummy would say."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.bundle.outputs import Outputs
from loopwright.bundle.records import Manifest
from loopwright.evaluation.dummies import (
    Dummy,
    Guess,
    earlier_label,
    prior,
    season_before,
    steady,
    value_before,
)
from loopwright.evaluation.rows import History
from loopwright.policies.gate import Gate
from loopwright.policies.tasks import DEFAULT_METRIC, METRICS, TaskName
from loopwright.statistics.metrics import metric
from loopwright.training.target import target_values

Scores = NDArray[np.float64]
"""What metrics take: `[n]` predictions or probabilities of the positive class, `[n, k]` probabilities of classes."""


class Task(Protocol):
    """What evaluation needs to know of a kind of model. `TASKS` holds one for each name; metrics go by the name too."""

    name: TaskName

    def classes(self, manifest: Manifest) -> tuple[str, ...]:
        """The classes in the order that truth and scores speak of; empty where there are none."""

    def truth(self, outcomes: pl.Series, classes: tuple[str, ...]) -> Scores:
        """What came true, as numbers: a value a row, or its class's place; NaN where it is not known."""

    def scores(self, manifest: Manifest, outputs: Outputs, classes: tuple[str, ...]) -> Scores:
        """A model's outputs as scores over `classes`, which may be another model's."""

    def dummies(self, history: History) -> list[Dummy]:
        """What to try as a dummy, simplest first."""


class Regression:
    """Numbers: the prediction is the score."""

    name: TaskName = "regression"

    def classes(self, manifest: Manifest) -> tuple[str, ...]:
        return ()

    def truth(self, outcomes: pl.Series, classes: tuple[str, ...]) -> Scores:
        return target_values("regression", classes, outcomes)

    def scores(self, manifest: Manifest, outputs: Outputs, classes: tuple[str, ...]) -> Scores:
        return np.asarray(outputs["prediction"], dtype=np.float64)

    def dummies(self, history: History) -> list[Dummy]:
        known = history.truth[history.train]
        return [
            Dummy("the mean", steady(float(np.mean(known)))),
            Dummy("the median", steady(float(np.median(known)))),
            *value_before(history),
            *season_before(history),
        ]


class Multiclass:
    """Classes: the score is one probability a class."""

    name: TaskName = "multiclass"

    def classes(self, manifest: Manifest) -> tuple[str, ...]:
        return manifest.classes

    def truth(self, outcomes: pl.Series, classes: tuple[str, ...]) -> Scores:
        return target_values("multiclass", classes, outcomes)

    def scores(self, manifest: Manifest, outputs: Outputs, classes: tuple[str, ...]) -> Scores:
        return class_probabilities(manifest, outputs, classes)

    def dummies(self, history: History) -> list[Dummy]:
        return [Dummy("the classes' shares", prior(history)), *earlier_label(history)]


class Binary(Multiclass):
    """Two classes, the negative one first: the score is the probability of the positive one."""

    name: TaskName = "binary"

    def classes(self, manifest: Manifest) -> tuple[str, ...]:
        positive = manifest.positive or manifest.classes[1]
        return (next(name for name in manifest.classes if name != positive), positive)

    def scores(self, manifest: Manifest, outputs: Outputs, classes: tuple[str, ...]) -> Scores:
        return class_probabilities(manifest, outputs, classes)[:, 1]

    def dummies(self, history: History) -> list[Dummy]:
        return [replace(one, guess=_second(one.guess)) for one in super().dummies(history)]


TASKS: dict[TaskName, Task] = {"binary": Binary(), "multiclass": Multiclass(), "regression": Regression()}


def headline(gate: Gate, task: TaskName) -> str:
    """The metric that decides: the gate's, or the task's own."""
    return gate.metric or DEFAULT_METRIC[task]


def choose_dummy(task: Task, history: History, name: str) -> Dummy:
    """The dummy that does best in the metric `name` on the validation rows; the first where that tells nothing."""
    dummies = task.dummies(history)
    places = np.flatnonzero(history.validation)
    sign = 1.0 if METRICS[name][1] else -1.0

    def worth(dummy: Dummy) -> float:
        value = metric(task.name, name, history.truth[places], dummy.guess(places))
        return -np.inf if value is None else sign * value

    return max(dummies, key=worth)


def class_probabilities(manifest: Manifest, outputs: Outputs, classes: tuple[str, ...]) -> Scores:
    """A classifier's probabilities `[n, len(classes)]` in the order of `classes`: 0 for a class it does not know."""
    if manifest.task == "binary":
        own = Binary().classes(manifest)
        positive = np.asarray(outputs["probability"], dtype=np.float64)
        matrix = np.stack([1 - positive, positive], axis=1)
    else:
        own = manifest.classes
        matrix = np.asarray(outputs["probabilities"], dtype=np.float64)
    nothing = np.zeros(len(matrix))
    return np.stack([matrix[:, own.index(name)] if name in own else nothing for name in classes], axis=1)


def _second(guess: Guess) -> Guess:
    return lambda places: guess(places)[:, 1]
