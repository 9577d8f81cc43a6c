"""A request's columns against a signature: all there, equally long, one value a row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopwright.bundle.encoding import Columns
from loopwright.bundle.records import Signature
from loopwright.errors import RequestError


def fit_columns(signature: Signature, columns: Columns) -> dict[str, list[Any] | NDArray[Any]]:
    """The signature's inputs out of `columns`, in its order: unknown columns are left out, an optional one that is
    not there is all None. Raises `RequestError` where a required column is missing or lengths differ.
    """
    present = {one.name: columns[one.name] for one in signature.inputs if one.name in columns}
    if any(one.required and one.name not in present for one in signature.inputs) or not columns:
        raise _missing(signature, columns)
    for name, values in present.items():
        _check_shape(name, values)
    lengths = {len(values) for values in (present or columns).values()}
    if len(lengths) > 1:
        raise _uneven(present)
    if len(present) == len(signature.inputs):
        return present
    nothing = [None] * lengths.pop()
    return {one.name: present.get(one.name, nothing) for one in signature.inputs}


def _check_shape(name: str, values: object) -> None:
    if isinstance(values, list) or (isinstance(values, np.ndarray) and values.ndim == 1):
        return
    came = f"has the shape {values.shape}" if isinstance(values, np.ndarray) else "is not a list"
    raise RequestError(f"the column {name!r} {came}", remedy="send one value for each row")


def _missing(signature: Signature, columns: Columns) -> RequestError:
    gone = [repr(one.name) for one in signature.inputs if one.required and one.name not in columns]
    extra = [repr(name) for name in columns if name not in {one.name for one in signature.inputs}]
    what = f"the column {gone[0]} is missing" if len(gone) == 1 else f"the columns {', '.join(gone)} are missing"
    return RequestError(
        (what if gone else "no column came") + (f"; {', '.join(extra)} is not known" if extra else ""),
        remedy="send every required column with each row, null where a value is unknown",
    )


def _uneven(present: Columns) -> RequestError:
    said = ", ".join(f"{name!r} has {len(values)}" for name, values in present.items())
    return RequestError(f"the columns are not equally long: {said}", remedy="send one value for each row and column")
