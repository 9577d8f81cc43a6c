"""Where values fall on a reference's bins: one rule for whoever makes a reference and whoever counts against it.

Numbers: bin i holds `edges[i - 1] <= value < edges[i]`, the first and the last are open. Categories: bin i holds
`values[i]`, the last one all others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from loopwright.bundle.records import ReferenceColumn

MANY = 32
"""From so many values for each edge on it is faster to hold all of them against each edge than to look for the place of
each: a comparison costs a microsecond, but next to nothing for each value.
"""


def count_numbers(edges: Sequence[float], values: NDArray[np.float64]) -> NDArray[np.int64]:
    """`len(edges) + 1` counts of `values`; NaN is counted nowhere."""
    if len(values) < MANY * len(edges):
        places = np.searchsorted(np.asarray(edges, dtype=np.float64), values[~np.isnan(values)], side="right")
        return np.bincount(places, minlength=len(edges) + 1).astype(np.int64)
    values = np.ascontiguousarray(values)
    reached = [np.count_nonzero(values >= edge) for edge in edges]
    counts: NDArray[np.int64] = -np.diff(np.array([np.count_nonzero(values == values), *reached, 0]))
    return counts


def count_categories(known: Sequence[str], texts: Sequence[str | None]) -> NDArray[np.int64]:
    """`len(known) + 1` counts of `texts`, the last for what is not known; None is counted nowhere."""
    found = Counter(texts)
    found.pop(None, None)
    return np.array([*(found.pop(text, 0) for text in known), sum(found.values())], dtype=np.int64)


def width(column: ReferenceColumn) -> int:
    """How many counts a window has for this column."""
    return len(column.edges if column.kind == "number" else column.values) + 1
