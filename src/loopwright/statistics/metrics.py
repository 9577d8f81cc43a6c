"""How well predictions fit what came true: every metric of every task, by name, on rows that may be weighted.

Shapes. Binary: `target` [n] of 0 and 1, `prediction` [n], the probability of 1; a row is called positive from
`threshold` on. Multiclass: `target` [n] of class places 0 … k-1, `prediction` [n, k]; a row is called the class of its
highest score. Regression: both [n]. `weights` [n] count rows: 2 is the row twice, 0 is the row left out.

A metric is `None` where it has no meaning, and nothing raises or warns: without rows; with a target or prediction that
is not finite; `roc_auc` with one class only; `pr_auc`, `recall` and `f1` without a positive; `log_loss`, `brier` and
`calibration_error` of scores outside 0 … 1; `r2` of a constant target; `wape` of targets that are all zero; `mape` with
a target nearer to zero than a thousandth of the mean size of targets. `precision` of a model that calls nothing
positive is 0, and so are the parts of macro and weighted averages that divide by zero. Multiclass averages go over the
classes seen in target or prediction; a multiclass `roc_auc` is one class against the rest.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from loopwright.policies.tasks import TaskName
from loopwright.statistics.arrays import AnyArray, Bools, Floats, Places, divide
from loopwright.statistics.statistic import AveragePrecision, OneVersusRest, Ranking, RocAuc, Statistic, Sums

CALIBRATION_BINS = 15
"""Equal-width bins of the probability, as Guo et al. (2017), "On Calibration of Modern Neural Networks"."""

_NEAR_ZERO = 1e-3
_EPSILON = float(np.finfo(np.float64).eps)


def metric(
    task: TaskName,
    name: str,
    target: AnyArray,
    prediction: AnyArray,
    *,
    weights: AnyArray | None = None,
    threshold: float = 0.5,
) -> float | None:
    """The metric called `name`; `None` where it has no meaning. Raises `KeyError` for a name that `task` lacks."""
    statistic = prepare(task, name, target, prediction, threshold=threshold)
    if statistic is None:
        return None
    value = statistic.value(None if weights is None else np.asarray(weights, dtype=np.float64))
    return value if np.isfinite(value) else None


def metrics(
    task: TaskName,
    target: AnyArray,
    prediction: AnyArray,
    *,
    weights: AnyArray | None = None,
    threshold: float = 0.5,
) -> dict[str, float]:
    """Every metric of `task` that has a meaning on these rows."""
    found = {
        name: metric(task, name, target, prediction, weights=weights, threshold=threshold) for name in METRICS_OF[task]
    }
    return {name: value for name, value in found.items() if value is not None}


def prepare(
    task: TaskName, name: str, target: AnyArray, prediction: AnyArray, *, threshold: float = 0.5
) -> Statistic | None:
    """The metric bound to its rows, for a bootstrap; `None` where it has no meaning whatever the weights."""
    make = METRICS_OF[task][name]
    scores = np.asarray(prediction, dtype=np.float64)
    truth = np.asarray(target, dtype=np.float64)
    if len(truth) != len(scores):
        raise ValueError(f"{len(truth)} targets, but {len(scores)} predictions")
    if not len(truth) or not np.isfinite(truth).all() or not np.isfinite(scores).all():
        return None
    if scores.ndim == 2 and not (truth.min() >= 0 and truth.max() < scores.shape[1]):
        raise ValueError(f"targets are places from {truth.min():g} to {truth.max():g} of {scores.shape[1]} classes")
    return make(truth, scores, threshold)


# --- binary ----------------------------------------------------------------------------------------------------------

Maker = Callable[[Floats, Floats, float], Statistic | None]


def _accuracy(target: Floats, score: Floats, threshold: float) -> Statistic:
    return _share((score >= threshold) == (target > 0.5))


def _confusion(finish: Callable[[Floats], Floats]) -> Maker:
    """Of the sums: true positives, called positives, positives."""

    def make(target: Floats, score: Floats, threshold: float) -> Statistic:
        positive, called = target > 0.5, score >= threshold
        terms = ((0, _floats(positive & called)), (1, _floats(called)), (2, _floats(positive)), (3, 1.0))
        return Sums(len(target), 4, terms, finish, called[positive] if finish is _recall else None)

    return make


def _precision(sums: Floats) -> Floats:
    return np.where(sums[..., 3] > 0, divide(sums[..., 0], sums[..., 1], otherwise=0.0), np.nan)


def _recall(sums: Floats) -> Floats:
    return divide(sums[..., 0], sums[..., 2])


def _f1(sums: Floats) -> Floats:
    return np.where(sums[..., 2] > 0, divide(2 * sums[..., 0], sums[..., 1] + sums[..., 2]), np.nan)


def _roc_auc(target: Floats, score: Floats, _: float) -> Statistic:
    return RocAuc(Ranking.of(target > 0.5, score))


def _pr_auc(target: Floats, score: Floats, _: float) -> Statistic:
    return AveragePrecision(Ranking.of(target > 0.5, score))


def _brier(target: Floats, score: Floats, _: float) -> Statistic | None:
    return _mean((target - score) ** 2) if _probabilities(score) else None


def _log_loss(target: Floats, score: Floats, _: float) -> Statistic | None:
    if not _probabilities(score):
        return None
    sure = np.clip(score, _EPSILON, 1 - _EPSILON)
    return _mean(-np.log(np.where(target > 0.5, sure, 1 - sure)))


def _calibration_error(target: Floats, score: Floats, _: float) -> Statistic | None:
    if not _probabilities(score):
        return None
    place = np.minimum((score * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    terms = ((place, target - score), (CALIBRATION_BINS, 1.0))
    return Sums(len(target), CALIBRATION_BINS + 1, terms, _gap)


def _gap(sums: Floats) -> Floats:
    return divide(np.abs(sums[..., :-1]).sum(axis=-1), sums[..., -1])


# --- multiclass ------------------------------------------------------------------------------------------------------


def _accuracy_of_classes(target: Floats, scores: Floats, _: float) -> Statistic:
    return _share(scores.argmax(axis=1) == target)


def _log_loss_of_classes(target: Floats, scores: Floats, _: float) -> Statistic | None:
    if not _probabilities(scores):
        return None
    chosen = scores[np.arange(len(target)), target.astype(np.int64)]
    return _mean(-np.log(np.clip(chosen, _EPSILON, 1 - _EPSILON)))


def _roc_auc_of_classes(by_weight: bool) -> Maker:
    def make(target: Floats, scores: Floats, _: float) -> Statistic:
        classes = tuple(RocAuc(Ranking.of(target == place, scores[:, place])) for place in range(scores.shape[1]))
        return OneVersusRest(target.astype(np.int64), classes, by_weight)

    return make


def _averaged(figure: Callable[[Floats, Floats, Floats], Floats], by_weight: bool) -> Maker:
    """`figure` of each class (from its hits, calls and rows), averaged over classes seen, or by their rows."""

    def make(target: Floats, scores: Floats, _: float) -> Statistic:
        width, truth = scores.shape[1], target.astype(np.int64)
        called: Places = scores.argmax(axis=1).astype(np.int64)
        terms = ((truth, _floats(truth == called)), (width + called, 1.0), (2 * width + truth, 1.0))
        return Sums(len(target), 3 * width, terms, finish)

    def finish(sums: Floats) -> Floats:
        hits, calls, rows = np.split(sums, 3, axis=-1)
        share = rows if by_weight else _floats(calls + rows > 0)
        return divide((figure(hits, calls, rows) * share).sum(axis=-1), share.sum(axis=-1))

    return make


def _class_precision(hits: Floats, calls: Floats, _: Floats) -> Floats:
    return divide(hits, calls, otherwise=0.0)


def _class_recall(hits: Floats, _: Floats, rows: Floats) -> Floats:
    return divide(hits, rows, otherwise=0.0)


def _class_f1(hits: Floats, calls: Floats, rows: Floats) -> Floats:
    return divide(2 * hits, calls + rows, otherwise=0.0)


# --- regression ------------------------------------------------------------------------------------------------------


def _rmse(target: Floats, prediction: Floats, _: float) -> Statistic:
    return Sums(len(target), 2, ((0, (target - prediction) ** 2), (1, 1.0)), _root_mean)


def _root_mean(sums: Floats) -> Floats:
    return np.sqrt(divide(sums[..., 0], sums[..., 1]))


def _mae(target: Floats, prediction: Floats, _: float) -> Statistic:
    return _mean(np.abs(target - prediction))


def _r2(target: Floats, prediction: Floats, _: float) -> Statistic | None:
    if target.min() == target.max():
        return None
    centred = target - target.mean()  # the sum of squares below loses no digits to a large mean
    terms = ((0, (target - prediction) ** 2), (1, centred**2), (2, centred), (3, 1.0))
    return Sums(len(target), 4, terms, _explained)


def _explained(sums: Floats) -> Floats:
    spread = sums[..., 1] - divide(sums[..., 2] ** 2, sums[..., 3], otherwise=0.0)
    constant = spread <= 1e-12 * sums[..., 1]  # what rounding leaves where all drawn targets are equal
    return 1 - divide(sums[..., 0], np.where(constant, 0.0, spread))


def _wape(target: Floats, prediction: Floats, _: float) -> Statistic:
    return Sums(len(target), 2, ((0, np.abs(target - prediction)), (1, np.abs(target))), _ratio)


def _smape(target: Floats, prediction: Floats, _: float) -> Statistic:
    size = np.abs(target) + np.abs(prediction)
    return _mean(divide(2 * np.abs(target - prediction), size, otherwise=0.0))


def _mape(target: Floats, prediction: Floats, _: float) -> Statistic | None:
    size = np.abs(target)
    if size.min() <= _NEAR_ZERO * size.mean():
        return None
    return _mean(np.abs(target - prediction) / size)


# --- what they share -------------------------------------------------------------------------------------------------


def _mean(loss: AnyArray) -> Statistic:
    return Sums(len(loss), 2, ((0, _floats(loss)), (1, 1.0)), _ratio)


def _share(hits: Bools) -> Statistic:
    return Sums(len(hits), 2, ((0, _floats(hits)), (1, 1.0)), _ratio, hits)


def _ratio(sums: Floats) -> Floats:
    return divide(sums[..., 0], sums[..., 1])


def _floats(values: AnyArray) -> Floats:
    return values.astype(np.float64)


def _probabilities(score: Floats) -> bool:
    return bool(score.min() >= 0 and score.max() <= 1)


METRICS_OF: dict[TaskName, dict[str, Maker]] = {
    "binary": {
        "accuracy": _accuracy,
        "precision": _confusion(_precision),
        "recall": _confusion(_recall),
        "f1": _confusion(_f1),
        "roc_auc": _roc_auc,
        "pr_auc": _pr_auc,
        "log_loss": _log_loss,
        "brier": _brier,
        "calibration_error": _calibration_error,
    },
    "multiclass": {
        "accuracy": _accuracy_of_classes,
        "precision_macro": _averaged(_class_precision, by_weight=False),
        "recall_macro": _averaged(_class_recall, by_weight=False),
        "f1_macro": _averaged(_class_f1, by_weight=False),
        "precision_weighted": _averaged(_class_precision, by_weight=True),
        "recall_weighted": _averaged(_class_recall, by_weight=True),
        "f1_weighted": _averaged(_class_f1, by_weight=True),
        "roc_auc": _roc_auc_of_classes(by_weight=False),
        "roc_auc_weighted": _roc_auc_of_classes(by_weight=True),
        "log_loss": _log_loss_of_classes,
    },
    "regression": {"rmse": _rmse, "mae": _mae, "r2": _r2, "wape": _wape, "smape": _smape, "mape": _mape},
}
"""Every metric by task and name; `loopwright.policies.tasks.METRICS` says which way each is better."""
