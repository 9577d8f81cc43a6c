"""How much a model leans on each feature, as shares of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from loopwright.bundle.encoding import matrix_width
from loopwright.bundle.records import Encoding

ROWS = 2000


def gain_importance(encoding: Encoding, booster: lightgbm.Booster) -> dict[str, float]:
    """The share of the boosting's gain that each feature's matrix columns brought."""
    gains = booster.feature_importance("gain")
    return shares({name: float(gains[places].sum()) for name, places in _places(encoding)})


def permuted_importance(
    encoding: Encoding,
    score: Callable[[NDArray[Any]], NDArray[np.float64]],
    X: NDArray[Any],
    seed: int,
) -> dict[str, float]:
    """How far a model's answers move, on average, when a feature is shuffled among up to `ROWS` rows of `X`.

    It needs no target, so it is the same question for every task: what do the answers hang on?
    """
    random = np.random.default_rng(seed)
    rows = X[random.permutation(len(X))[:ROWS]]
    usual = score(rows)
    moved = {}
    for name, places in _places(encoding):
        shuffled = rows.copy()
        shuffled[:, places] = rows[random.permutation(len(rows))][:, places]
        moved[name] = float(np.abs(score(shuffled) - usual).mean())
    return shares(moved)


def _places(encoding: Encoding) -> Iterator[tuple[str, slice]]:
    place = 0
    for column in encoding.columns:
        yield column.name, slice(place, place + matrix_width(column))
        place += matrix_width(column)


def shares(figures: dict[str, float]) -> dict[str, float]:
    """The figures as shares of their sum."""
    total = sum(figures.values())
    return {name: figure / total if total > 0 else 0.0 for name, figure in figures.items()}
