"""What new labels say of themselves, before anything learns from them. Polars is imported here and in the backtest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.data.records import DatasetVersion
from loopwright.data.snapshot import load_rows, stored_rows
from loopwright.declare import Declaration
from loopwright.evaluation.rows import Places, moment, take
from loopwright.ports.storage import Storage
from loopwright.registry.records import ModelVersion
from loopwright.retraining.records import LabelFacts
from loopwright.training.hashing import hash_rows

LOOKED = 20_000
"""Rows looked at on each side of what the champion has learned, at most: the newest."""


def look_at_labels(
    declared: Declaration,
    version: DatasetVersion,
    champion: ModelVersion,
    learned: DatasetVersion | None,
    storage: Storage,
    scratch: Path,
) -> LabelFacts | None:
    """The facts of the labels in `version` that the champion has not learned from; None where nobody can tell which.

    In order those are newer than what it has seen. In no order, rows beyond as many as `learned` held, the version that
    it learned from, since sources grow at their end. Raises `DataError`.
    """
    if declared.target not in version.kinds:
        return None
    with stored_rows(version):
        rows = load_rows(version, storage, scratch)
        sides = _sides(declared, rows, champion, learned)
        if sides is None:
            return None
        earlier, recent = (take(rows, list(rows.collect_schema()), places) for places in sides)
        known, corrected = 0, 0
        if learned is not None and declared.target in learned.kinds and not _kept_whole(learned, version):
            known, corrected = _corrections(declared, earlier, load_rows(learned, storage, scratch))
        return _facts(declared, champion.task != "regression", earlier, recent, known, corrected)


def _sides(
    declared: Declaration, rows: pl.LazyFrame, champion: ModelVersion, learned: DatasetVersion | None
) -> tuple[Places, Places] | None:
    """The numbers of the newest labelled rows that the champion has learned from, and of those it has not."""
    known = rows.select(pl.col(declared.target).is_not_null()).collect().to_series().to_numpy()
    order = np.arange(len(known), dtype=np.float64)
    if declared.time is not None and champion.trained_until is not None:
        order = _moments(rows.select(declared.time).collect().to_series())
        new = order > moment(champion.trained_until)
    elif declared.order == "rows" and champion.trained_until is not None:
        new = order >= moment(champion.trained_until)
    elif not declared.ordered and learned is not None:
        new = order >= learned.rows
    else:
        return None
    usable = np.flatnonzero(known & ~np.isnan(order))
    usable = usable[np.argsort(order[usable], kind="stable")]
    return usable[~new[usable]][-LOOKED:], usable[new[usable]][-LOOKED:]


def _moments(values: pl.Series) -> NDArray[np.float64]:
    return (values.dt.epoch("us") if values.dtype.is_temporal() else values).cast(pl.Float64).to_numpy()


def _facts(
    declared: Declaration, classes: bool, earlier: pl.DataFrame, recent: pl.DataFrame, known: int, corrected: int
) -> LabelFacts:
    before, now = earlier[declared.target], recent[declared.target]
    only: tuple[str, float] | None = None
    vanished: tuple[tuple[str, float], ...] = ()
    if now.n_unique() == 1 and len(before):
        only = (str(now[0]), float((before == now[0]).mean() or 0.0))
    elif classes and len(now) and len(before):
        shares = before.value_counts(normalize=True, name="share")
        gone = shares.filter(~pl.col(declared.target).is_in(now.unique().implode())).sort("share", descending=True)
        vanished = tuple((str(value), float(share)) for value, share in gone.iter_rows())
    twins = _twins(declared, earlier, recent) if classes else (0, 0, 0, 0)
    return LabelFacts(
        recent=len(now),
        earlier=len(before),
        only=only,
        vanished=vanished,
        twins=twins[0],
        contradicted=twins[1],
        earlier_twins=twins[2],
        earlier_contradicted=twins[3],
        known=known,
        corrected=corrected,
    )


def _twins(declared: Declaration, earlier: pl.DataFrame, recent: pl.DataFrame) -> tuple[int, int, int, int]:
    """Rows that repeat the inputs of one earlier row, and those with another label: of the recent, of the earlier.

    Each is held against exactly one other, the last earlier row before it, so that both shares mean the same.
    """
    inputs = [name for name in earlier.columns if name not in (declared.target, declared.time, declared.key)]
    if not inputs or not earlier.height or not recent.height:
        return 0, 0, 0, 0
    label = pl.col("label")
    old, new = (
        pl.DataFrame({"row": hash_rows(one.lazy(), inputs), "label": one[declared.target]}) for one in (earlier, recent)
    )
    among = old.with_columns(other=label.shift(1).over("row")).drop_nulls("other")
    last = old.group_by("row", maintain_order=True).agg(other=label.last())
    against = new.join(last, on="row", how="inner")
    return against.height, _differing(against), among.height, _differing(among)


def _differing(pairs: pl.DataFrame) -> int:
    return int((pairs["label"] != pairs["other"]).sum())


def _kept_whole(learned: DatasetVersion, version: DatasetVersion) -> bool:
    """Whether all files that the champion learned from are still what they were."""
    return {part.digest for part in learned.parts} <= {part.digest for part in version.parts}


def _corrections(declared: Declaration, earlier: pl.DataFrame, learned: pl.LazyFrame) -> tuple[int, int]:
    """Rows that stand in both versions once, by key (and time) or else by all inputs; and those of another label."""
    there = learned.collect_schema()
    named = [name for name in (declared.key, declared.time) if name is not None] if declared.key else earlier.columns
    identity = [name for name in named if name in there and name in earlier.columns and name != declared.target]
    if not identity:
        return 0, 0
    labelled = learned.filter(pl.col(declared.target).is_not_null())
    old = _once(labelled.select(*identity, declared.target).tail(2 * LOOKED).collect(), identity, declared.target)
    pairs = _once(earlier, identity, declared.target).join(old, on="row", how="inner", suffix="_was")
    now, was = pairs["label"], pairs["label_was"]
    if now.dtype.is_numeric() and was.dtype.is_numeric():
        now, was = now.cast(pl.Float64), was.cast(pl.Float64)
    else:
        now, was = now.cast(pl.String), was.cast(pl.String)
    return pairs.height, int((now != was).sum())


def _once(rows: pl.DataFrame, identity: list[str], target: str) -> pl.DataFrame:
    found = pl.DataFrame({"row": hash_rows(rows.lazy(), identity), "label": rows[target]})
    return found.filter(pl.col("row").is_unique())
