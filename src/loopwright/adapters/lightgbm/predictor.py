"""Scores from `model.txt` by LightGBM's booster: scikit-learn is not needed."""

from __future__ import annotations

from pathlib import Path

import lightgbm
import numpy as np
from numpy.typing import NDArray

from loopwright.bundle.pipeline import Score
from loopwright.bundle.records import Manifest
from loopwright.errors import BundleError


def load_score(folder: Path, manifest: Manifest, *, threads: int = 1) -> Score:
    """The model as a function from a matrix to raw scores. Raises `BundleError`."""
    try:
        booster = lightgbm.Booster(model_file=folder / "model.txt")
    except lightgbm.basic.LightGBMError as error:
        raise BundleError(
            f"model.txt cannot be opened by LightGBM {lightgbm.__version__}: {error}",
            remedy="install the LightGBM that requirements.txt names, or fetch the bundle again",
        ) from None

    def score(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        scores: NDArray[np.float64] = booster.predict(matrix, num_threads=threads, validate_features=False)
        return scores

    return score
