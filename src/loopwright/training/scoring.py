"""How a fitted model does on the validation rows, and when that is too good to be true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loopwright.policies.tasks import TaskName
from loopwright.policies.training import Threshold
from loopwright.statistics.metrics import metric
from loopwright.training.fitting import Fitted
from loopwright.training.material import TrainData
from loopwright.training.threshold import choose_threshold

TOO_GOOD: dict[TaskName, tuple[str, float]] = {
    "binary": ("roc_auc", 0.9995),
    "multiclass": ("accuracy", 0.9995),
    "regression": ("r2", 0.9995),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Judgement:
    """A model's answers for the validation rows, the threshold they suggest (binary; else 0.5), and its score there.

    `score` is None where the metric has no meaning on these rows.
    """

    answers: NDArray[np.float64]
    threshold: float
    score: float | None


def judge(name: str, rule: Threshold, data: TrainData, fitted: Fitted) -> Judgement:
    """Predict the validation rows once; choose the threshold, then measure the metric called `name` with it."""
    X, y = data.held_out
    answers = fitted.score(X)
    threshold = choose_threshold(rule, y, answers) if data.task == "binary" else 0.5
    return Judgement(
        answers=answers, threshold=threshold, score=metric(data.task, name, y, answers, threshold=threshold)
    )


def suspicion(data: TrainData, judgement: Judgement) -> tuple[str, ...]:
    """A note where a score is hardly to be had without a leak that no single feature gives away, or where a classifier
    has no doubts, as those without predict_proba have none.
    """
    if data.task != "regression" and np.isin(judgement.answers, (0, 1)).all():
        return ("the model gives labels, not probabilities: each counts as certain, and log loss is hard on the wrong",)
    name, limit = TOO_GOOD[data.task]
    score = metric(data.task, name, data.held_out[1], judgement.answers)
    if score is None or score < limit:
        return ()
    return (f"{name} on the validation rows is {score:.5g}: look for columns that together give the target away",)
