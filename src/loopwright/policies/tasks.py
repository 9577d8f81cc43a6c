"""The tasks a model may have, and the metrics it may be judged by."""

from __future__ import annotations

from typing import Literal

TaskName = Literal["binary", "multiclass", "regression"]


_CLASSES: tuple[TaskName, ...] = ("binary", "multiclass")


METRICS: dict[str, tuple[tuple[TaskName, ...], bool]] = {
    "accuracy": (_CLASSES, True),
    "precision": (("binary",), True),
    "recall": (("binary",), True),
    "f1": (("binary",), True),
    "roc_auc": (_CLASSES, True),
    "pr_auc": (("binary",), True),
    "brier": (("binary",), False),
    "log_loss": (_CLASSES, False),
    "calibration_error": (("binary",), False),
    "precision_macro": (("multiclass",), True),
    "recall_macro": (("multiclass",), True),
    "f1_macro": (("multiclass",), True),
    "precision_weighted": (("multiclass",), True),
    "recall_weighted": (("multiclass",), True),
    "f1_weighted": (("multiclass",), True),
    "rmse": (("regression",), False),
    "mae": (("regression",), False),
    "r2": (("regression",), True),
    "wape": (("regression",), False),
    "smape": (("regression",), False),
    "mape": (("regression",), False),
}
"""Every metric a gate can name: the tasks that have it, and whether more is better."""


DEFAULT_METRIC: dict[TaskName, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
