"""Boosted trees as plain values: what a learner grew elsewhere predicts here, with NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loopwright.statistics.arrays import AnyArray, Floats, Places


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """Nodes, the root first. A row at node i goes to `left[i]` where its `feature[i]` is at most `threshold[i]`, or is
    NaN and `missing_left[i]`; else to `right[i]`. A leaf has the feature -1, and `value[i]`.
    """

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    missing_left: tuple[bool, ...]
    value: tuple[float, ...]

    def predict(self, rows: AnyArray) -> Floats:
        """The value [n] of each of `rows` [n, features]."""
        feature, left, right = np.array(self.feature), np.array(self.left), np.array(self.right)
        threshold, missing_left = np.array(self.threshold), np.array(self.missing_left)
        at: Places = np.zeros(len(rows), dtype=np.int64)
        going = np.arange(len(rows)) if feature[0] >= 0 else np.empty(0, dtype=np.int64)
        while len(going):
            node = at[going]
            found = rows[going, feature[node]]
            goes_left = np.where(np.isnan(found), missing_left[node], found <= threshold[node])
            at[going] = np.where(goes_left, left[node], right[node])
            going = going[feature[at[going]] >= 0]
        return np.array(self.value, dtype=np.float64)[at]


def predict_sum(trees: tuple[Tree, ...], rows: AnyArray) -> Floats:
    """The sum of all trees' values [n]."""
    total = np.zeros(len(rows))
    for tree in trees:
        total += tree.predict(rows)
    return total
