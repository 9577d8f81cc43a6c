"""How a fitted model does on the validation rows, and when that is too good to be true."""

from __future__ import annotations

from loopwright.declare import TaskName
from loopwright.statistics.metrics import metric
from loopwright.training.fitting import Fitted
from loopwright.training.material import TrainData

TOO_GOOD: dict[TaskName, tuple[str, float]] = {
    "binary": ("roc_auc", 0.9995),
    "multiclass": ("accuracy", 0.9995),
    "regression": ("r2", 0.9995),
}


def validation_score(name: str, data: TrainData, fitted: Fitted, threshold: float) -> float | None:
    """The metric called `name` on the validation rows; None where it has no meaning there."""
    X, y = data.held_out
    return metric(data.task, name, y, fitted.score(X), threshold=threshold)


def suspicion(data: TrainData, fitted: Fitted) -> tuple[str, ...]:
    """A note where a score is hardly to be had without a leak that no single feature gives away."""
    name, limit = TOO_GOOD[data.task]
    score = validation_score(name, data, fitted, 0.5)
    if score is None or score < limit:
        return ()
    return (f"{name} on the validation rows is {score:.5g}: look for columns that together give the target away",)
