"""Joint drift: can a classifier tell today's rows from the reference's? LightGBM is imported here only."""

from __future__ import annotations

from collections.abc import Iterable

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.monitoring.records import JointDrift
from loopwright.statistics.arrays import Floats
from loopwright.statistics.comparison import rank_sum

MOST_ROWS = 20_000
"""Rows of each side that are looked at, at even distances."""

FEWEST_ROWS = 100
_BLOCKS = 10
_VALUES = 250  # values of a category that are told apart
_ROUNDS = 60
_LEARNING = {
    "objective": "binary",
    "num_leaves": 15,
    "min_data_in_leaf": 40,
    "learning_rate": 0.1,
    "feature_fraction": 0.9,
    "is_unbalance": True,
    "deterministic": True,
    "num_threads": 1,
    "verbosity": -1,
}


def joint_drift(
    reference: pl.DataFrame, current: pl.DataFrame, *, columns: Iterable[str] | None = None, seed: int = 0
) -> JointDrift | None:
    """A classifier learns on one half of the rows which side each is of, and is measured on the other half; and back.

    Lopez-Paz & Oquab, "Revisiting Classifier Two-Sample Tests", 2017. Halves are made of blocks of neighbouring rows:
    that rows resemble their neighbours does not help it. Given what was learned, the other half's ranks are
    exchangeable where nothing changed, so each half has a rank-sum p-value; twice their mean is valid however they
    depend (Vovk & Wang, 2020). None where a side has fewer than `FEWEST_ROWS` rows, or they share no column.
    """
    names = [
        name
        for name in (reference.columns if columns is None else columns)
        if name in reference.columns and name in current.columns and not reference[name].dtype.is_temporal()
    ]
    was, now = _thinned(reference, names), _thinned(current, names)
    if not names or min(was.height, now.height) < FEWEST_ROWS:
        return None
    X, categorical = _matrix(was, now)
    if not X.shape[1]:
        return None
    side = np.repeat([0, 1], [was.height, now.height])
    half = np.concatenate([_halves(was.height), _halves(now.height)])
    found = [_told_apart(X, side, half == part, categorical, seed) for part in (0, 1)]
    gains = sum((gain for _, _, gain in found), np.zeros(len(names)))
    shares = gains / gains.sum() if gains.sum() > 0 else gains
    ranked = sorted(zip(names, shares.tolist(), strict=True), key=lambda pair: -pair[1])
    return JointDrift(
        auc=float(np.mean([auc for auc, _, _ in found])),
        p_value=min(1.0, sum(p for _, p, _ in found)),
        rows=current.height,
        was_rows=reference.height,
        columns={name: share for name, share in ranked if share > 0},
    )


def _thinned(rows: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    if rows.height <= MOST_ROWS:
        return rows.select(names)
    return rows.select(names)[np.linspace(0, rows.height - 1, MOST_ROWS).astype(np.int64)]


def _halves(rows: int) -> NDArray[np.int64]:
    """0 or 1 a row, by turns in blocks."""
    return np.arange(rows) * _BLOCKS // rows % 2


def _matrix(was: pl.DataFrame, now: pl.DataFrame) -> tuple[Floats, list[int]]:
    """Numbers as they are, the rest as codes of their commonest values, [rows, columns]; the places of the latter."""
    columns, categorical = [], []
    for place, name in enumerate(was.columns):
        if was[name].dtype.is_numeric() and now[name].dtype.is_numeric():
            both = [one[name].cast(pl.Float64).to_numpy() for one in (was, now)]
            columns.append(np.concatenate(both))
        else:
            texts = pl.concat([one[name].cast(pl.String) for one in (was, now)])
            ranked = texts.drop_nulls().value_counts(sort=True)[name].head(_VALUES).to_list()
            codes = texts.replace_strict({text: code for code, text in enumerate(ranked)}, default=None)
            columns.append(codes.cast(pl.Float64).to_numpy())
            categorical.append(place)
    return np.column_stack(columns), categorical


def _told_apart(
    X: Floats, side: NDArray[np.int64], test: NDArray[np.bool_], categorical: list[int], seed: int
) -> tuple[float, float, Floats]:
    """The ROC-AUC on the rows of `test` of a classifier that learned on the others, its p-value, its columns' gains."""
    rows = lightgbm.Dataset(X[~test], side[~test], categorical_feature=categorical, params={"verbosity": -1})
    booster = lightgbm.train(_LEARNING | {"seed": seed}, rows, num_boost_round=_ROUNDS)
    scores = np.asarray(booster.predict(X[test], num_threads=1))
    ranked = rank_sum(scores[side[test] == 1], scores[side[test] == 0])
    assert ranked is not None
    gains: Floats = booster.feature_importance("gain").astype(np.float64)
    return ranked[0], ranked[1].p_value, gains
