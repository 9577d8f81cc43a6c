"""What `mlflow.pyfunc.load_model` calls for a bundle: the same predictions, from and to pandas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from loopwright.bootstrap.predictor import load_predictor
from loopwright.bundle.read import read_manifest

if TYPE_CHECKING:
    from loopwright.bundle.records import Manifest
    from loopwright.ports.predictor import Predictor


def _load_pyfunc(path: str) -> PyfuncModel:
    """MLflow's loader: `path` is the bundle's folder. Raises `BundleError`."""
    folder = Path(path)
    return PyfuncModel(load_predictor(folder), read_manifest(folder))


class PyfuncModel:
    """A bundle as MLflow wants a model: a DataFrame in; numbers, or a DataFrame of probabilities and labels, out."""

    def __init__(self, predictor: Predictor, manifest: Manifest) -> None:
        self._predictor = predictor
        self._manifest = manifest

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> Any:
        """regression: an array, a number a row. binary: `probability`, `label`. multiclass: `probability_<class>` …,
        `label`. Raises `RequestError` that names the column which does not fit.
        """
        columns = {str(name): _values(model_input[name]) for name in model_input.columns}
        outputs = self._predictor.predict(columns)
        if self._manifest.task == "regression":
            return outputs["prediction"]
        if self._manifest.task == "binary":
            return pd.DataFrame(outputs, index=model_input.index)
        names = [f"probability_{name}" for name in self._manifest.classes]
        table = pd.DataFrame(outputs["probabilities"], columns=names, index=model_input.index)
        return table.assign(label=outputs["label"])


def _values(series: pd.Series) -> np.ndarray[Any, Any]:
    """A pandas column as an array with None or NaN where values are missing."""
    array = series.to_numpy(dtype=object, na_value=None) if series.dtype.kind == "O" else series.to_numpy()
    return np.asarray(array)
