"""A feature that all but equals the target: something known only afterwards, which no later row will bring."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopwright.bundle.encoding import matrix_width
from loopwright.bundle.records import Encoding
from loopwright.declare import Declaration
from loopwright.errors import FeatureError
from loopwright.policies.tasks import TaskName

ROWS = 50_000
ENOUGH = 100
"""Fewer rows with both a feature and a target say nothing: by chance alone some feature parts a few rows perfectly."""

LIMIT = 0.999
ROWS_PER_VALUE = 20


def check_twins(
    encoding: Encoding, X: NDArray[Any], y: NDArray[Any], task: TaskName, declaration: Declaration
) -> tuple[str, ...]:
    """Raise `FeatureError` where one matrix column alone gives the target away, on up to `ROWS` training rows.

    Of a feature that the declaration trusts it is only said: what is returned are notes.

    It does where its correlation with a number, or its ROC-AUC for one of the classes, reaches `LIMIT`; or where
    knowing its value, of few different ones, leaves less than `1 - LIMIT` of the target's variance (of any class's).
    """
    step = max(1, len(y) // ROWS)
    targets = _targets(y[::step], task)
    notes = []
    for place, name in enumerate(_features(encoding)):
        values = X[::step, place].astype(np.float64)
        known = ~np.isnan(values)
        if known.sum() < ENOUGH:
            continue
        strength = min(_strength(values[known], target[known], task) for target in targets)
        if strength < LIMIT:
            continue
        found = f"the feature {name!r} all but equals the target {declaration.target!r} ({strength:.4f} of 1)"
        if name not in declaration.trust:
            raise FeatureError(
                f"{found}: it is most likely known only together with it",
                remedy=f"declare drop=[{name!r}], or the raw column that the feature is made of; "
                f"trust=[{name!r}] where it is surely known when predicting",
            )
        notes.append(f"{found}, and is trusted")
    return tuple(dict.fromkeys(notes))


def _features(encoding: Encoding) -> list[str]:
    """The feature that each matrix column belongs to."""
    return [column.name for column in encoding.columns for _ in range(matrix_width(column))]


def _targets(y: NDArray[Any], task: TaskName) -> list[NDArray[np.float64]]:
    """What a feature must give away: the number itself, or whether a row is of a class, for each class."""
    if task == "regression":
        return [y.astype(np.float64)]
    classes = np.unique(y)
    return [(y == one).astype(np.float64) for one in (classes[1:] if len(classes) == 2 else classes)]


def _strength(values: NDArray[np.float64], target: NDArray[np.float64], task: TaskName) -> float:
    if np.all(target == target[0]) or np.all(values == values[0]):
        return 0.0
    alone = abs(np.corrcoef(values, target)[0, 1]) if task == "regression" else _separation(values, target)
    return max(float(alone), _explained(values, target))


def _separation(values: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """ROC-AUC of the values for the target, in whichever direction it is greater."""
    different, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    positives = target.sum()
    negatives = len(target) - positives
    area = (ranks[target == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    return float(max(area, 1 - area)) if len(different) > 1 else 0.5


def _explained(values: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """The share of the target's variance between the different values; 0 where these are too many to mean anything."""
    different, place = np.unique(values, return_inverse=True)
    if len(different) * ROWS_PER_VALUE > len(values):
        return 0.0
    means = np.bincount(place, weights=target) / np.bincount(place)
    return float(1 - np.mean((target - means[place]) ** 2) / np.var(target))
