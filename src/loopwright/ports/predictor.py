"""A loaded model: named columns in, named outputs out. Runtimes (ONNX, LightGBM, Python) are adapters of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, "list[Any] | NDArray[Any]"]
"""Raw rows by column: equally long lists (JSON values, None where missing) or arrays."""


class Predictor(Protocol):
    """Predicts for raw rows, through the bundle's own features and encoding; several threads may ask at once."""

    def predict(self, columns: Columns) -> dict[str, NDArray[np.generic]]:
        """The bundle's outputs by name, one entry per row (see `bundle.records.Signature.outputs`).

        Raises `RequestError` that names the column which is missing or does not fit, and `FeatureError` or
        `BundleError` when the model's own code fails.
        """
