"""Drift of exact rows: a captured window or a file against another. Polars is imported here; servers never need it.

Numbers are sorted once a side; every statistic follows from that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from loopwright.bundle.records import ReferenceColumn
from loopwright.core.decision import decide
from loopwright.monitoring.columns import compare_counts, corrected, input_weights
from loopwright.monitoring.records import ColumnDrift, DriftReport, JointDrift
from loopwright.monitoring.rules import judge_drift, judge_joint
from loopwright.policies.retraining import Drift
from loopwright.statistics.arrays import Floats
from loopwright.statistics.comparison import ks_sorted
from loopwright.statistics.divergence import wasserstein_sorted
from loopwright.traffic.predictions import INPUT, OUTPUT
from loopwright.traffic.summary import ColumnCounts

BINS = 20
VALUES = 50
"""Bins of a number and values of a category that are told apart, as in the reference of a bundle."""


def compare_rows(
    reference: pl.DataFrame,
    current: pl.DataFrame,
    drift: Drift,
    importance: Mapping[str, float] | None = None,
    usual: Mapping[str, float] | None = None,
    beside: Sequence[ColumnDrift] = (),
) -> tuple[ColumnDrift, ...]:
    """Each column that both have, dates left out, judged as a window's columns are; and with them those `beside` them,
    which are compared already.

    `importance`, and the PSI that is `usual` between the reference's own windows, are by column name.

    Numbers: Kolmogorov-Smirnov and Wasserstein on the values themselves, on their counts where the reference has no
    more than `BINS` different ones; PSI and Jensen-Shannon on bins of equal mass of the reference. The rest: chi².
    """
    known, reached = importance or {}, usual or {}
    names = [name for name in reference.columns if name in current.columns and _comparable(reference[name].dtype)]
    columns = {name: _weighed(_named(name), known.get(name, 0.0)) for name in names}
    weights = input_weights(list(columns.values()))
    compared = [
        replace(
            _compare(column.name, reference[name], current[name], weights.get(column.name, 0.0)),
            importance=column.importance,
            usual=reached.get(name, 0.0),
        )
        for name, column in columns.items()
    ]
    return corrected([*compared, *beside], drift)


def report_rows(
    columns: Iterable[ColumnDrift],
    joint: JointDrift | None,
    drift: Drift,
    *,
    reference: str,
    current: str,
    rows: int,
    was_rows: int,
    exact: bool = True,
) -> DriftReport:
    """The report of compared columns, worst first; `reference` and `current` say in words what they are of."""
    ordered = tuple(sorted(columns, key=lambda one: (not one.drifted, -(one.psi or 0.0))))
    reasons = list(judge_drift(ordered, rows, drift).decision.reasons)
    if joint is not None:
        reasons += judge_joint(joint, drift).decision.reasons
    return DriftReport(
        reference=reference,
        current=current,
        exact=exact,
        rows=rows,
        was_rows=was_rows,
        columns=ordered,
        joint=joint,
        decision=decide(reasons),
    )


def _named(name: str) -> str:
    return name if name.startswith((INPUT, OUTPUT)) else INPUT + name


def _weighed(name: str, importance: float) -> ReferenceColumn:
    return ReferenceColumn(name=name, kind="category", counts=(), importance=importance)


def _comparable(kind: pl.DataType) -> bool:
    return kind.is_numeric() or kind in (pl.String, pl.Boolean, pl.Categorical) or isinstance(kind, pl.Enum)


def _compare(column: str, was: pl.Series, now: pl.Series, weight: float) -> ColumnDrift:
    if was.dtype.is_numeric() and now.dtype.is_numeric():
        return _compare_numbers(column, was, now, weight)
    counts = _counted(was).join(_counted(now), on="value", how="full", coalesce=True, nulls_equal=True).fill_null(0)
    gone, there = counts.filter(pl.col("value").is_null()), counts.filter(pl.col("value").is_not_null())
    # By one side's counts alone, those values would be told apart that it has more often by chance.
    ranked = there.sort(pl.col("rows") + pl.col("rows_right"), pl.col("value"), descending=[True, False])
    first, second = (_pooled(ranked[name]) for name in ("rows", "rows_right"))
    missing = (int(gone["rows"].sum()), int(gone["rows_right"].sum()))
    names = tuple(ranked["value"].head(VALUES).to_list())
    known = ReferenceColumn(name=column, kind="category", counts=first, values=names, missing=missing[0])
    found = compare_counts(known, ColumnCounts(bins=second, missing=missing[1]), weight)
    unseen = int(there.filter(pl.col("rows") == 0)["rows_right"].sum())  # some have a bin of their own
    return replace(found, unseen_share=unseen / max(1, len(now)), was_unseen=0.0)


def _pooled(counts: pl.Series) -> tuple[int, ...]:
    """Ranked counts, those after the first `VALUES` together."""
    return (*counts.head(VALUES).to_list(), int(counts[VALUES:].sum()))


def _compare_numbers(column: str, was: pl.Series, now: pl.Series, weight: float) -> ColumnDrift:
    first, second = _sorted(was), _sorted(now)
    finite = first[np.searchsorted(first, -np.inf, side="right") : np.searchsorted(first, np.inf)]
    edges = _edges(finite)
    known = ReferenceColumn(
        name=column,
        kind="number",
        counts=_binned(edges, first),
        edges=tuple(edges.tolist()),
        missing=len(was) - len(first),
    )
    found = compare_counts(known, ColumnCounts(bins=_binned(edges, second), missing=len(now) - len(second)), weight)
    if not len(finite) or len(edges) <= BINS or not len(second):  # few values: each has a bin of its own
        return found
    tested, spread = ks_sorted(first, second), float(finite.std())
    apart = wasserstein_sorted(first, second) if np.isfinite(first[[0, -1]]).all() else None
    moved = apart / spread if apart is not None and spread > 0 and np.isfinite(apart) else found.wasserstein
    assert tested is not None
    return replace(found, statistic=tested.statistic, p_value=tested.p_value, wasserstein=moved)


def _sorted(values: pl.Series) -> Floats:
    """The numbers that are there, sorted; NaN is missing."""
    found: Floats = np.sort(values.drop_nulls().cast(pl.Float64).to_numpy())
    return found[: np.searchsorted(found, np.nan)]  # NaN is sorted to the end


def _edges(values: Floats) -> Floats:
    """`edges_from` of sorted finite values."""
    if not len(values):
        return values
    starts = values[np.append(True, values[1:] != values[:-1])] if _few(values) else values[:1]
    places = np.arange(1, BINS) / BINS * (len(values) - 1)
    inner = starts[1:] if _few(values) else np.interp(places, np.arange(len(values)), values)
    return np.unique(np.concatenate([starts[:1], inner, [np.nextafter(values[-1], np.inf)]]))


def _few(values: Floats) -> bool:
    """Whether there are at most `BINS` different ones; most columns show it in their first values."""
    head = np.unique(values[:: max(1, len(values) // 1000)])
    return len(head) <= BINS and int((values[1:] != values[:-1]).sum()) < BINS


def _binned(edges: Floats, values: Floats) -> tuple[int, ...]:
    places = np.searchsorted(values, edges, side="left")
    return tuple(np.diff(places, prepend=0, append=len(values)).tolist())


def _counted(values: pl.Series) -> pl.DataFrame:
    return values.cast(pl.String).alias("value").value_counts(name="rows").cast({"rows": pl.Int64})
