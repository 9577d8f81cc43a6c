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
    rows, fitted = _rows(signature, columns), {}
    for one in signature.inputs:
        values = columns.get(one.name)
        if values is None:
            if one.required:
                raise _missing(signature, columns)
            values = [None] * rows
        elif len(values) != rows:
            raise _uneven(signature, columns)
        fitted[one.name] = values
    return fitted


def _rows(signature: Signature, columns: Columns) -> int:
    for one in signature.inputs:
        values = columns.get(one.name)
        if values is not None:
            if isinstance(values, np.ndarray) and values.ndim != 1:
                raise RequestError(
                    f"the column {one.name!r} has the shape {values.shape}", remedy="send one value for each row"
                )
            return len(values)
    if any(one.required for one in signature.inputs) or not columns:
        raise _missing(signature, columns)
    return len(next(iter(columns.values())))


def _missing(signature: Signature, columns: Columns) -> RequestError:
    gone = [one.name for one in signature.inputs if one.required and one.name not in columns]
    what = f"the column {gone[0]!r} is missing" if len(gone) == 1 else f"the columns {', '.join(gone)} are missing"
    extra = [name for name in columns if name not in {one.name for one in signature.inputs}]
    hint = f"; {', '.join(map(repr, extra))} is not known" if extra else ""
    return RequestError(f"{what}{hint}", remedy="send every required column with each row, null where unknown")


def _uneven(signature: Signature, columns: Columns) -> RequestError:
    lengths = {one.name: len(columns[one.name]) for one in signature.inputs if one.name in columns}
    said = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
    return RequestError(f"the columns are not equally long: {said}", remedy="send one value for each row and column")
