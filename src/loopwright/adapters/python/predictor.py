"""Scores from `model.pkl`: any Python object with `predict`, and `predict_proba` where it has one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
from numpy.typing import NDArray

from loopwright.bundle.code import project_code
from loopwright.bundle.outputs import class_scores
from loopwright.bundle.pipeline import Score
from loopwright.bundle.records import CODE, Manifest
from loopwright.errors import BundleError


def load_score(folder: Path, manifest: Manifest, *, threads: int = 1) -> Score:
    """The model as a function from a matrix to raw scores. Raises `BundleError`.

    Unpickling runs code: open only bundles whose digests you trust.
    """
    model = _unpickle(folder)
    return score_function(model, manifest)


def score_function(model: Any, manifest: Manifest) -> Score:
    """`predict_proba`, or `predict`, by the task; classes in the bundle's order."""
    if manifest.task == "regression":  # a copy: a model may write its next answer where this one stands
        return lambda matrix: np.array(model.predict(matrix), dtype=np.float64)
    answer = getattr(model, "predict_proba", None) or model.predict
    known = getattr(model, "classes_", None)

    def score(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        return class_scores(answer(matrix), manifest.classes, known)

    return score


def _unpickle(folder: Path) -> Any:
    try:
        with project_code(folder / CODE), (folder / "model.pkl").open("rb") as file:
            return cloudpickle.load(file)
    except Exception as error:
        raise BundleError(
            f"model.pkl cannot be opened: {type(error).__name__}: {error}",
            remedy="install what requirements.txt names: a pickle opens only where its packages are",
        ) from error
