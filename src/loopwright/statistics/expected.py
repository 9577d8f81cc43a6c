"""How good predictions must be expected to be where the truth is not known: from probabilities that keep their word.

Confidence-based performance estimation (CBPE): Kivimäki, Białek, Nurminen & Kuberski, "Confidence-based Estimators for
Predictive Performance in Model Monitoring", JAIR 82 (2025); of several classes as NannyML's documentation describes it
("How it works: performance estimation"). It is right where those who come have changed, but not what a score means for
them (covariate shift), and where the rows it was calibrated on cover those who come. It cannot see concept drift.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loopwright.policies.tasks import TaskName
from loopwright.statistics.arrays import AnyArray, Floats, divide
from loopwright.statistics.calibration import Isotonic, Logistic, fit_isotonic, fit_logistic
from loopwright.statistics.metrics import METRICS_OF, metric

ENOUGH_FOR_STEPS = 2_000
"""Rows from which a calibration may bend as it likes; below, only be stretched and shifted (Niculescu-Mizil & Caruana,
"Predicting Good Probabilities With Supervised Learning", 2005, section 5, find the turn at about a thousand)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """One map a class, each against the rest; of two classes one, of the positive."""

    classes: tuple[Logistic | Isotonic, ...]

    def chances(self, scores: AnyArray) -> Floats:
        """The chances [n, classes] that a row of `scores` ([n] of the positive class, or [n, classes]) is of each."""
        if scores.ndim == 1:
            positive = self.classes[0].probability(scores)
            return np.stack([1 - positive, positive], axis=1)
        raw = np.stack([one.probability(scores[:, place]) for place, one in enumerate(self.classes)], axis=1)
        total = np.broadcast_to(raw.sum(axis=1, keepdims=True), raw.shape)
        return divide(raw, total, otherwise=1 / raw.shape[1])


def calibrate(scores: AnyArray, truth: AnyArray, weights: Floats | None = None) -> Calibration:
    """What scores mean, from rows whose `truth` [n] (a class's place) is known; `weights` [n] count rows."""
    fit = fit_isotonic if len(truth) >= ENOUGH_FOR_STEPS else fit_logistic
    if scores.ndim == 1:
        return Calibration(classes=(fit(scores, truth, weights),))
    maps = (fit(scores[:, place], truth == place, weights) for place in range(scores.shape[1]))
    return Calibration(classes=tuple(maps))


def expected_metric(
    task: TaskName,
    name: str,
    scores: AnyArray,
    chances: Floats,
    *,
    weights: Floats | None = None,
    threshold: float = 0.5,
) -> float | None:
    """The metric where each row is of every class at once, by its `chances` [n, classes]; None without a meaning.

    So the confusion matrix is the expected one, and ROC-AUC the chance that a positive outranks a negative when both
    are drawn by these chances.
    """
    rows, classes = chances.shape
    heavy = chances if weights is None else chances * weights[:, None]
    truth = np.tile(np.arange(classes, dtype=np.float64), rows)
    each = np.repeat(scores, classes, axis=0)
    return metric(task, name, truth, each, weights=heavy.reshape(-1), threshold=threshold)


def expected_metrics(task: TaskName, scores: AnyArray, chances: Floats, *, threshold: float = 0.5) -> dict[str, float]:
    """Every metric of a classification `task` that has a meaning on these rows."""
    found = {name: expected_metric(task, name, scores, chances, threshold=threshold) for name in METRICS_OF[task]}
    return {name: value for name, value in found.items() if value is not None}
