"""Values as clients sent them to typed columns: for captures (Arrow) and summaries (NumPy), nothing ever raised.

What does not fit its column's kind becomes missing: the model has answered it, so it plays no part in the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from math import isfinite
from typing import Any, TypeGuard

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loopwright.bundle.records import InputKind
from loopwright.bundle.values import booleans, category_texts, moments, numbers
from loopwright.serving.tabular import Values

ARROW: dict[InputKind, pa.DataType] = {
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
}


def gathered(parts: Sequence[tuple[Values | None, int]]) -> Values:
    """Columns of several requests, one after the other; each with its rows, None where a request has no such column."""
    arrays = [values for values, _ in parts if isinstance(values, np.ndarray)]
    if len(arrays) == len(parts) and len({array.dtype.kind for array in arrays}) == 1:
        return np.concatenate(arrays)
    return list(chain.from_iterable(_as_list(values, rows) for values, rows in parts))


def as_numbers(values: Values) -> NDArray[np.float64]:
    """NaN where missing. Where nothing is, and all are numbers, it is the very array that came."""
    return values if _all_finite(values) else _kept(numbers, values, np.float64)


def as_texts(values: Values) -> list[str | None]:
    """Each value as a vocabulary knows it; None where missing."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "U":
        return list(values.tolist())
    if isinstance(values, list) and set(map(type, values)) <= {str, type(None)}:
        return values
    try:
        return category_texts(values)
    except TypeError:
        return [text for value in values for text in _one_text(value)]


def as_arrow(kind: InputKind, values: Values) -> pa.Array:
    """The column as `ARROW[kind]`."""
    if kind == "text":
        return _text_array(as_texts(values))
    if kind in ("date", "datetime"):
        return pa.array(_kept(moments, values, np.dtype("M8[us]"))).cast(ARROW[kind], safe=False)
    if kind == "integer" and isinstance(values, list) and set(map(type, values)) <= {int, type(None)}:
        return _exact_integers(values)
    array = _kept(booleans, values, np.float64) if kind == "boolean" else as_numbers(values)
    if kind == "number" and (array is values or _all_finite(array)):
        return pa.array(array)
    missing = np.isnan(array)
    if kind == "number":
        return pa.array(array, mask=missing)
    if kind == "integer":
        missing |= (array != np.floor(array)) | (np.abs(array) >= 2.0**63)
    filled = np.where(missing, 0, array)
    return pa.array(filled.astype(np.bool_ if kind == "boolean" else np.int64), mask=missing)


def _all_finite(values: Values) -> TypeGuard[NDArray[np.float64]]:
    """By their squares' sum: no look at each, and at worst it says no of numbers beyond 1e154."""
    if not isinstance(values, np.ndarray) or values.dtype != np.float64 or values.ndim != 1:
        return False
    with np.errstate(over="ignore"):
        return isfinite(values.dot(values))


def _as_list(values: Values | None, rows: int) -> list[Any]:
    if values is None:
        return [None] * rows
    return values.tolist() if isinstance(values, np.ndarray) and values.dtype.kind != "M" else list(values)


def _kept(convert: Callable[[Any], NDArray[Any]], values: Values, dtype: Any) -> NDArray[Any]:
    try:
        return convert(values)
    except (ValueError, TypeError, OverflowError):
        return np.array([_one(convert, value) for value in values], dtype=dtype)


def _one(convert: Callable[[Any], NDArray[Any]], value: Any) -> Any:
    try:
        return convert([value])[0]
    except (ValueError, TypeError, OverflowError):
        return None


def _one_text(value: Any) -> list[str | None]:
    try:
        return category_texts([value])
    except TypeError:
        return [None]


def _text_array(texts: list[str | None]) -> pa.Array:
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:  # half a surrogate pair
        return pa.array([text and text.encode("utf-8", "replace").decode() for text in texts], pa.string())


def _exact_integers(values: list[int | None]) -> pa.Array:
    try:
        return pa.array(values, pa.int64())
    except OverflowError:
        return pa.array([value if value is not None and abs(value) < 2**63 else None for value in values], pa.int64())
