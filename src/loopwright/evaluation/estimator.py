"""What later estimates of a model's quality without labels need, from the test rows: kept beside the evaluation."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.bundle.records import Input, Manifest
from loopwright.core.codec import to_json
from loopwright.evaluation.losses import LossColumn, LossModel, loss_features
from loopwright.evaluation.tasks import Scores
from loopwright.ports.storage import Storage
from loopwright.statistics.trees import Tree

MOST_ROWS = 20_000
"""Test rows that are kept: enough for a calibration, and a few hundred kilobytes."""

LEAST_ROWS = 200
"""Fewer test rows than this teach nothing about where the error is great."""

_TREES = {
    "objective": "regression",
    "num_leaves": 15,
    "learning_rate": 0.05,
    "min_data_in_leaf": 30,
    "lambda_l2": 1.0,
    "num_threads": 1,
    "deterministic": True,
    "verbose": -1,
}
_ROUNDS = 100


def keep_scores(storage: Storage, key: str, scores: Scores, truth: Scores, seed: int) -> str:
    """Write scores and truths of the test rows as Parquet, at most `MOST_ROWS` by lot, in their order; the key.

    Columns: `truth`, and `score`, or `score.<place>` for each class.
    """
    kept = _by_lot(len(truth), seed)
    columns = scores[kept, None] if scores.ndim == 1 else scores[kept]
    names = ["score"] if scores.ndim == 1 else [f"score.{place}" for place in range(columns.shape[1])]
    frame = pl.DataFrame({"truth": truth[kept]} | dict(zip(names, columns.T, strict=True)))
    sink = io.BytesIO()
    frame.write_parquet(sink)
    storage.put(key, sink.getvalue())
    return key


def keep_loss_model(
    storage: Storage,
    key: str,
    manifest: Manifest,
    rows: pl.DataFrame,
    scores: Scores,
    truth: Scores,
    *,
    without: tuple[str, ...],
    seed: int,
) -> str:
    """Write what the test rows of a regression teach of its errors; the key, or "" where they are too few.

    No value of the columns `without` is looked at.
    """
    kept = _by_lot(len(truth), seed)
    if len(kept) < LEAST_ROWS:
        return ""
    inputs = [one for one in manifest.signature.inputs if one.name in rows.columns and one.name not in without]
    storage.put(key, to_json(fit_loss_model(inputs, rows[kept], scores[kept], truth[kept], seed=seed)))
    return key


def fit_loss_model(
    inputs: Sequence[Input], rows: pl.DataFrame, scores: Scores, truth: Scores, *, seed: int
) -> LossModel:
    """Where the error of `scores` [n] is great, learned from `rows` whose `truth` [n] is known.

    Direct loss estimation as NannyML's documentation describes it ("How it works: performance estimation"): a small
    model of |error|, and one of its square, from the raw inputs and the prediction. Dates are left out, for they only
    move on.
    """
    error = np.abs(truth - scores)
    columns = tuple(_column(one, rows, error) for one in inputs if one.kind not in ("date", "datetime"))
    features = loss_features(columns, rows, scores)
    return LossModel(
        columns=columns,
        absolute=_grow(features, error, seed),
        squared=_grow(features, error**2, seed),
        mean_absolute=float(error.mean()),
        mean_squared=float((error**2).mean()),
    )


def _by_lot(rows: int, seed: int) -> NDArray[np.int64]:
    everything = np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(everything, min(rows, MOST_ROWS), replace=False))


def _column(given: Input, rows: pl.DataFrame, error: Scores) -> LossColumn:
    """A number as it is; categories in the order of their mean error, so that one cut parts hard from easy."""
    if given.kind in ("number", "integer"):
        return LossColumn(name=given.name, kind="number")
    means = (
        pl.DataFrame({"value": rows[given.name].cast(pl.String), "error": error})
        .drop_nulls("value")
        .group_by("value")
        .agg(pl.col("error").mean(), pl.len().alias("rows"))
        .filter(pl.col("rows") >= _ENOUGH_ALIKE)
        .sort("error", "value")
    )
    return LossColumn(name=given.name, kind="category", values=tuple(means["value"].to_list()))


def _grow(features: Scores, loss: Scores, seed: int) -> tuple[Tree, ...]:
    data = lightgbm.Dataset(features, loss, params={"max_bin": 63, "verbose": -1})
    grown = lightgbm.train(_TREES | {"seed": seed}, data, _ROUNDS)
    return tuple(_tree(one["tree_structure"]) for one in grown.dump_model()["tree_info"])


def _tree(root: dict[str, Any]) -> Tree:
    nodes: list[dict[str, Any]] = []
    children: list[tuple[int, int]] = []

    def place(node: dict[str, Any]) -> int:
        here = len(nodes)
        nodes.append(node)
        children.append((0, 0))
        if "split_feature" in node:
            children[here] = (place(node["left_child"]), place(node["right_child"]))
        return here

    place(root)
    return Tree(
        feature=tuple(node.get("split_feature", -1) for node in nodes),
        threshold=tuple(float(node.get("threshold", 0.0)) for node in nodes),
        left=tuple(left for left, _ in children),
        right=tuple(right for _, right in children),
        missing_left=tuple(_missing_left(node) for node in nodes),
        value=tuple(float(node.get("leaf_value", 0.0)) for node in nodes),
    )


def _missing_left(node: dict[str, Any]) -> bool:
    """LightGBM takes a missing value for 0 where it saw none in training."""
    if node.get("missing_type") == "NaN":
        return bool(node["default_left"])
    return float(node.get("threshold", 0.0)) >= 0


_ENOUGH_ALIKE = 5
