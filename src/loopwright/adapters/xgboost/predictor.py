"""Scores from `model.ubj` by XGBoost's booster: scikit-learn is not needed, and nothing is unpickled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xgboost
from numpy.typing import NDArray

from loopwright.bundle.pipeline import Score
from loopwright.bundle.records import Manifest
from loopwright.errors import BundleError


def load_score(folder: Path, manifest: Manifest, *, threads: int = 1) -> Score:
    """The model as a function from a matrix to raw scores; several threads may ask at once. Raises `BundleError`."""
    try:
        data = (folder / "model.ubj").read_bytes()
        if data[:1] != b"{" or data[-1:] != b"}":  # some of what is no UBJSON makes XGBoost end the process
            raise ValueError("it is no UBJSON object")
        booster = xgboost.Booster({"nthread": threads}, model_file=bytearray(data))
    except (xgboost.core.XGBoostError, OSError, ValueError) as error:
        raise BundleError(
            f"model.ubj cannot be opened by XGBoost {xgboost.__version__}: {str(error).splitlines()[0]}",
            remedy="install the XGBoost that requirements.txt names, or fetch the bundle again",
        ) from None

    def score(matrix: NDArray[np.float64]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = booster.inplace_predict(matrix, validate_features=False)
        return scores

    return score
