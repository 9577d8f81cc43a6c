"""A fitted model as ONNX, where it converts, and whether the conversion says the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx as convert_sklearn
from sklearn.base import BaseEstimator

TOLERANCE = 1e-4
"""How far an ONNX score may be from the model's own, as a share of the scores' spread, on every row looked at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversion:
    """`data` is the ONNX model, or None, and then `reason` says in words why there is none."""

    data: bytes | None
    reason: str = ""


def to_onnx(model: Any, n_features: int) -> Conversion:
    """`model` (a LightGBM booster or estimator, a scikit-learn estimator) as ONNX.

    One input of shape `[n, n_features]`; the last output holds a number a row, or for classifiers one probability a
    class. Never raises: what cannot be converted is said in words.
    """
    try:
        return Conversion(data=_convert(model, n_features))
    except Exception as error:  # noqa: BLE001 - converters raise whatever they stumble over; ONNX is only an option
        return Conversion(data=None, reason=f"{type(model).__name__} does not convert: {type(error).__name__}: {error}")


def agrees(
    data: bytes, predict: Callable[[NDArray[np.float64]], Any], matrix: NDArray[np.float64]
) -> tuple[bool, float]:
    """Whether the ONNX model's scores are `predict`'s on every row of `matrix`, and the largest difference.

    They agree when no row differs by more than `TOLERANCE` of the spread of `predict`'s scores. Differences come from
    32-bit thresholds: a value beside a split may fall to its other side.
    """
    own = np.asarray(predict(matrix), dtype=np.float64)
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: matrix.astype(np.float32)}
    other = np.asarray(session.run([session.get_outputs()[-1].name], feed)[0], dtype=np.float64)
    if own.ndim == 1 and other.ndim == 2:
        other = other[:, -1]
    difference = float(np.max(np.abs(own - other), initial=0.0))
    spread = float(np.ptp(own)) if own.size else 0.0
    return difference <= TOLERANCE * max(spread, 1e-12), difference


def _convert(model: Any, n_features: int) -> bytes:
    kinds = [("features", FloatTensorType([None, n_features]))]
    if isinstance(model, lightgbm.Booster | lightgbm.LGBMModel):
        converted = convert_lightgbm(model, initial_types=kinds, zipmap=False)
    elif isinstance(model, BaseEstimator):
        options = {"zipmap": False} if hasattr(model, "classes_") else None
        converted = convert_sklearn(model, initial_types=kinds, options={id(model): options} if options else None)
    else:
        raise TypeError("only LightGBM and scikit-learn models do")
    data: bytes = converted.SerializeToString()
    return data
