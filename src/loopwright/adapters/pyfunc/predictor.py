"""A model that was trained elsewhere: any MLflow model directory, through `mlflow.pyfunc`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from loopwright.bundle.columns import Fitter
from loopwright.bundle.encoding import Columns
from loopwright.bundle.outputs import OutputShaper, class_scores
from loopwright.bundle.records import Input, InputKind, Manifest
from loopwright.bundle.values import booleans, category_texts, misfit, moments, numbers
from loopwright.errors import BundleError

FOREIGN = "model"
"""The bundle's subfolder that holds the foreign model directory."""


def load(folder: Path, manifest: Manifest) -> PyfuncPredictor:
    """The foreign model in the bundle, as a `Predictor`. Raises `BundleError`."""
    try:
        return PyfuncPredictor(mlflow.pyfunc.load_model(str(folder / FOREIGN)), manifest)
    except Exception as error:
        raise BundleError(
            f"the MLflow model in {manifest.model} cannot be opened: {type(error).__name__}: {error}",
            remedy="install what its own requirements.txt names",
        ) from error


class PyfuncPredictor:
    """Raw columns to a DataFrame of the signature's kinds, to the foreign model, to the bundle's outputs."""

    def __init__(self, model: Any, manifest: Manifest) -> None:
        self._model = model
        self._manifest = manifest
        self._fit = Fitter(manifest.signature)
        self._shape = OutputShaper(manifest)

    def predict(self, columns: Columns) -> dict[str, NDArray[np.generic]]:
        """See `loopwright.ports.predictor.Predictor.predict`."""
        fitted = self._fit(columns)
        inputs = self._manifest.signature.inputs
        if not len(next(iter(fitted.values()), ())):
            return self._shape.no_rows()
        table = pd.DataFrame({one.name: _series(one, fitted[one.name]) for one in inputs})
        try:
            answer = self._model.predict(table)
        except Exception as error:
            raise BundleError(
                f"{self._manifest.model}: the MLflow model raised {type(error).__name__}: {error}",
                remedy="its own signature says which columns and types it takes",
            ) from error
        return self._shape(self._scores(answer), len(table))

    def _scores(self, answer: Any) -> Any:
        values = answer.to_numpy() if isinstance(answer, pd.DataFrame | pd.Series) else np.asarray(answer)
        # A copy: a model may write its next answer where this one stands.
        return values.copy() if self._manifest.task == "regression" else class_scores(values, self._manifest.classes)


def _series(one: Input, values: Any) -> NDArray[Any]:
    try:
        return _array(one.kind, values)
    except (ValueError, TypeError, OverflowError):
        raise misfit(one.name, f"values of kind {one.kind}", values, lambda some: _array(one.kind, some)) from None


def _array(kind: InputKind, values: Any) -> NDArray[Any]:
    """Values as the type that models trained on pandas have seen: whole numbers stay whole unless some are missing."""
    if kind == "text":
        return np.array(category_texts(values), dtype=object)
    if kind in ("date", "datetime"):
        return moments(values).astype("M8[ns]")
    array = booleans(values) if kind == "boolean" else numbers(values)
    if kind == "number" or np.isnan(array).any():
        return array
    return array.astype(np.bool_ if kind == "boolean" else np.int64)
