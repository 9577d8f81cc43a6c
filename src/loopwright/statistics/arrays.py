"""The array types that the statistics room speaks in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Bools = NDArray[np.bool_]
AnyArray = NDArray[Any]


def divide(above: Floats, below: Floats, otherwise: float = np.nan) -> Floats:
    """`above / below`, and `otherwise` where `below` is zero; shapes must agree. Never warns."""
    out: Floats = np.full(np.shape(below), otherwise)
    np.divide(above, below, out=out, where=below != 0)
    return out
