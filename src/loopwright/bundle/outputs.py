"""What a model says, as the outputs its bundle promises: `prediction`, or probabilities and a label.

A classifier speaks of places in `Manifest.classes`: it is trained on them (0, 1, …), and its scores are one column a
class in that order. In a binary model a plain vector of scores is the probability of `classes[1]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopwright.bundle.encoding import category_texts
from loopwright.bundle.records import Input, Manifest, Output, Signature
from loopwright.errors import BundleError
from loopwright.policies.tasks import TaskName

Outputs = dict[str, NDArray[np.generic]]


def task_signature(task: TaskName, inputs: Sequence[Input], classes: Sequence[str] = ()) -> Signature:
    """The signature of a model of `task`: the outputs follow from it."""
    outputs: tuple[Output, ...]
    if task == "regression":
        outputs = (Output(name="prediction", kind="number"),)
    elif task == "binary":
        outputs = (Output(name="probability", kind="number"), Output(name="label", kind="text"))
    else:
        outputs = (Output(name="probabilities", kind="number", width=len(classes)), Output(name="label", kind="text"))
    return Signature(inputs=tuple(inputs), outputs=outputs)


class OutputShaper:
    """Raw scores to named outputs, by the manifest's task, classes, positive class and threshold."""

    def __init__(self, manifest: Manifest) -> None:
        self._task = manifest.task
        self._threshold = manifest.threshold
        self._labels = np.array(manifest.classes, dtype=np.str_)
        self._positive = 1
        if manifest.task == "binary":
            if len(manifest.classes) != 2:
                raise BundleError(f"{manifest.model}: a binary bundle names {len(manifest.classes)} classes")
            if manifest.positive is not None and manifest.positive not in manifest.classes:
                raise BundleError(
                    f"{manifest.model}: the positive class {manifest.positive!r} is not among its classes"
                )
            self._positive = 1 if manifest.positive is None else manifest.classes.index(manifest.positive)

    def __call__(self, raw: Any, rows: int) -> Outputs:
        """Outputs for `rows` rows. Raises `BundleError` where the scores do not have the shape they must have."""
        scores = np.asarray(raw, dtype=np.float64)
        if self._task == "regression":
            return {"prediction": self._vector(scores, rows)}
        if self._task == "binary":
            return self._binary(scores, rows)
        return self._multiclass(scores, rows)

    def no_rows(self) -> Outputs:
        """The outputs for no rows at all, about which many models cannot be asked."""
        return self(np.empty((0, max(1, len(self._labels)))), 0)

    def _binary(self, scores: NDArray[np.float64], rows: int) -> Outputs:
        if scores.ndim == 2 and scores.shape[1] == 2:
            probability = self._vector(scores[:, self._positive], rows)
        else:
            second = self._vector(scores, rows)
            probability = second if self._positive == 1 else 1.0 - second
        if rows == 1:  # NumPy's calls cost ten times the comparison
            place = self._positive if probability[0] >= self._threshold else 1 - self._positive
            return {"probability": probability, "label": self._labels[place : place + 1]}
        called = np.where(probability >= self._threshold, self._positive, 1 - self._positive)
        return {"probability": probability, "label": self._labels[called]}

    def _multiclass(self, scores: NDArray[np.float64], rows: int) -> Outputs:
        if scores.shape != (rows, len(self._labels)):
            raise BundleError(
                f"the model answers {rows} rows with an array of shape {scores.shape}",
                remedy=f"a multiclass model answers with {len(self._labels)} probabilities a row",
            )
        return {"probabilities": scores, "label": self._labels[scores.argmax(axis=1)]}

    def _vector(self, scores: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
        if scores.size != rows or scores.ndim > 2:
            raise BundleError(
                f"the model answers {rows} rows with an array of shape {scores.shape}",
                remedy="a model answers with one number a row",
            )
        return scores.reshape(rows)


def class_scores(answer: Any, classes: Sequence[str], known: Sequence[Any] | None = None) -> NDArray[np.float64]:
    """What a classifier answered, as one score a class and row, `[n, len(classes)]`.

    `answer` is a matrix of scores, one column for each of `known` (the model's own `classes_`, places or labels; all
    of `classes` where None); or a vector: probabilities of `classes[1]` where there are two classes, else places or
    labels, which become 0 and 1. Raises `BundleError`.
    """
    array = np.asarray(answer)
    if array.ndim == 2 and array.shape[1] > 1:
        return _by_class(array, classes, known)
    vector = array.reshape(len(array))
    if len(classes) == 2 and vector.dtype.kind in "biuf":
        second = vector.astype(np.float64)
        return np.stack([1.0 - second, second], axis=1)
    places = _places(vector.tolist(), classes)
    scores = np.zeros((len(vector), len(classes)))
    scores[np.arange(len(vector)), places] = 1.0
    return scores


def _by_class(array: NDArray[Any], classes: Sequence[str], known: Sequence[Any] | None) -> NDArray[np.float64]:
    places = list(range(len(classes))) if known is None else _places(list(known), classes)
    if len(places) != array.shape[1]:
        raise BundleError(
            f"the model answers with {array.shape[1]} scores a row, but the bundle has {len(places)} classes",
            remedy="a classifier answers with one probability for each class",
        )
    if places == list(range(len(classes))):
        return array.astype(np.float64)
    scores = np.zeros((len(array), len(classes)))
    scores[:, places] = array
    return scores


def _places(values: list[Any], classes: Sequence[str]) -> list[int]:
    if all(isinstance(value, int | float | np.number) and value in range(len(classes)) for value in values):
        return [int(value) for value in values]
    place = {name: number for number, name in enumerate(classes)}
    try:
        return [place[str(text)] for text in category_texts(values)]
    except KeyError as error:
        raise BundleError(
            f"the model speaks of the class {error.args[0]!r}, which the bundle does not have",
            remedy=f"its classes are {', '.join(classes)}",
        ) from None
