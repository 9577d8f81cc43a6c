"""A fitted model as ONNX, where it converts, and whether the conversion says the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from skl2onnx import to_onnx as convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.base import BaseEstimator

from loopwright.training.lightgbm_onnx import convert as convert_lightgbm

TOLERANCE = 1e-4
"""How far an ONNX score may be from the model's own on any row looked at, as a share of the scores' spread.

LightGBM's conversion is exact to the last bits. scikit-learn's reads 32-bit features: sums then differ in the seventh
digit, and a value beside a tree's split may fall to its other side, which this is to find.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversion:
    """`data` is the ONNX model, or None, and then `reason` says in words why there is none."""

    data: bytes | None
    reason: str = ""


def to_onnx(model: Any, n_features: int) -> Conversion:
    """`model` (a LightGBM booster or estimator, a scikit-learn estimator or pipeline) as ONNX.

    One input of shape `[n, n_features]`; the last output holds a number a row (a booster's own answer), or for
    scikit-learn's classifiers one probability a class. Never raises: what does not convert is said in words.
    """
    try:
        return Conversion(data=_convert(model, n_features))
    except Exception as error:  # noqa: BLE001 - converters raise whatever they stumble over; ONNX is only an option
        said = " ".join(str(error).split("\n", 1)[0].split())
        return Conversion(data=None, reason=f"a {type(model).__name__} does not convert: {said}")


def agrees(
    data: bytes, predict: Callable[[NDArray[np.float64]], Any], matrix: NDArray[np.float64]
) -> tuple[bool, float]:
    """Whether the ONNX model's scores are `predict`'s on every row of `matrix`, and the largest difference.

    They agree when no row differs by more than `TOLERANCE` of the spread of `predict`'s scores. `predict` gives a
    number a row (for two classes the second one's) or one a class. An ONNX model that cannot be run differs infinitely.
    """
    own = np.asarray(predict(matrix), dtype=np.float64)
    try:
        other = _run(data, matrix)
    except Exception:  # noqa: BLE001 - ONNX Runtime's exceptions have no common root
        return False, math.inf
    if 1 in (own.ndim, other.shape[-1]):
        own, other = own.reshape(len(matrix), -1)[:, -1], other[:, -1]
    if own.shape != other.shape or not np.array_equal(np.isfinite(own), np.isfinite(other)):
        return False, math.inf
    difference = float(np.max(np.abs(own - other), initial=0.0, where=np.isfinite(own)))
    return difference <= TOLERANCE * _spread(own), difference


def _convert(model: Any, n_features: int) -> bytes:
    model = getattr(model, "booster_", model)
    if isinstance(model, lightgbm.Booster):
        converted = convert_lightgbm(model)
    elif isinstance(model, BaseEstimator):
        kinds = [("features", FloatTensorType([None, n_features]))]
        converted = convert_sklearn(
            model, initial_types=kinds, options={"zipmap": False} if _classifies(model) else None
        )
    else:
        raise NotImplementedError("only LightGBM's and scikit-learn's models do")
    data: bytes = converted.SerializeToString()
    return data


def _classifies(model: BaseEstimator) -> bool:
    return hasattr(model, "classes_")


def _run(data: bytes, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    features = session.get_inputs()[0]
    feed = matrix.astype(np.float64 if features.type == "tensor(double)" else np.float32)
    scores = session.run([session.get_outputs()[-1].name], {features.name: feed})[0]
    return np.asarray(scores, dtype=np.float64).reshape(len(matrix), -1)


def _spread(scores: NDArray[np.float64]) -> float:
    finite = scores[np.isfinite(scores)]
    return float(np.ptp(finite)) if finite.size else 0.0
