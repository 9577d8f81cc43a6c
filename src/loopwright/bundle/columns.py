"""A request's columns against a signature: all there, equally long, one value a row."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from loopwright.bundle.blocks import Block
from loopwright.bundle.encoding import Columns
from loopwright.bundle.records import Signature
from loopwright.errors import RequestError


class Fitter:
    """A signature made ready to fit columns to it."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._names = tuple(one.name for one in signature.inputs)
        self._known = set(self._names)

    def __call__(self, columns: Columns) -> Columns:
        """The signature's inputs out of `columns`, in its order: unknown columns are left out, an optional one that is
        not there is all None. Raises `RequestError` where a required column is missing or lengths differ.
        """
        if type(columns) is Block:
            if columns.names == self._names:
                return columns
            columns = columns.columns()
        if columns.keys() == self._known and _all_lists_alike(columns.values()):
            return columns if tuple(columns) == self._names else {name: columns[name] for name in self._names}
        return self._picked(columns)

    def _picked(self, columns: Columns) -> Columns:
        signature = self._signature
        present = {name: columns[name] for name in self._names if name in columns}
        if any(one.required and one.name not in present for one in signature.inputs) or not columns:
            raise _missing(signature, columns)
        for name, values in present.items():
            _check_shape(name, values)
        lengths = {len(values) for values in (present or columns).values()}
        if len(lengths) > 1:
            raise _uneven(present)
        if len(present) == len(self._names):
            return present
        nothing = [None] * lengths.pop()
        return {name: present.get(name, nothing) for name in self._names}


def _all_lists_alike(values: Collection[Any]) -> bool:
    """Whether all are lists of the same length: what most requests hold, told without a look at each by name."""
    return set(map(type, values)) == {list} and len(set(map(len, values))) == 1


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
