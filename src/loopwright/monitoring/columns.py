"""The columns of a window beside those of its reference: how far each is off, how surely, and what it weighs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from loopwright.bundle.records import Reference, ReferenceColumn
from loopwright.core.decision import Decision, Reason
from loopwright.monitoring.records import ColumnDrift
from loopwright.policies.retraining import Drift
from loopwright.statistics.comparison import chi_squared, holm, ks_counts, overdispersion
from loopwright.statistics.divergence import deviation, jensen_shannon, psi, wasserstein
from loopwright.traffic.predictions import OUTPUT
from loopwright.traffic.summary import ColumnCounts, WindowSummary, merge

FEWEST_SEASONS = 3
"""Seasons that a seasonal reference is made of at least; before, the evaluation rows are the reference."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis:
    """What a window is held against, and the `reason` that says so.

    `seasons` is how many earlier ones it is made of, 0 where it is the evaluation rows; `spread` by how much more than
    chance they differ among themselves in each column, 1 where they do not.
    """

    reference: Reference
    reason: Reason
    seasons: int = 0
    spread: Mapping[str, float] = field(default_factory=dict)


def choose_basis(reference: Reference, earlier: Sequence[WindowSummary], drift: Drift) -> Basis:
    """The same time of earlier seasons, where `drift.season` asks for it and there are enough; else the reference.

    The seasons' counts are on the same bins, so they merge. Where seasons differ among themselves by more than chance,
    their counts weigh less in the tests, by that much.
    """
    enough = [one for one in earlier if one.rows]
    merged = merge(enough)
    if drift.season is None:
        text = f"held against the {reference.rows:,} evaluation rows"
        return Basis(reference=reference, reason=_said(text, reference.rows, 0))
    if merged is None or len(enough) < FEWEST_SEASONS or merged.rows < drift.min_rows:
        text = (
            f"held against the {reference.rows:,} evaluation rows: {len(enough)} earlier {drift.season}s are known at "
            f"this time, {FEWEST_SEASONS} are needed"
        )
        return Basis(reference=reference, reason=_said(text, reference.rows, 0))
    columns = tuple(_of_seasons(one, merged.columns[one.name]) for one in reference.columns if _known(one, merged))
    return Basis(
        reference=Reference(rows=merged.rows, columns=columns),
        reason=_said(
            f"held against the same time of {len(enough)} earlier {drift.season}s, {merged.rows:,} rows",
            merged.rows,
            len(enough),
        ),
        seasons=len(enough),
        spread={one.name: overdispersion(_stacked(one.name, enough)) for one in columns},
    )


def is_seasonal(decision: Decision) -> bool:
    """Whether it was made against earlier seasons."""
    return any(reason.rule == "reference" and reason.figures.get("seasons", 0) > 0 for reason in decision.reasons)


def compare_columns(
    reference: Reference, window: WindowSummary, drift: Drift, spread: Mapping[str, float] | None = None
) -> tuple[ColumnDrift, ...]:
    """Each column of the reference against the window's counts on the same bins.

    Numbers by Kolmogorov and Smirnov at the bins' edges, categories by chi²; with `spread`, counts weigh less by it.
    """
    weights = input_weights(reference.columns)
    spreads = spread or {}
    compared = [
        compare_counts(column, counts, weights.get(column.name, 0.0), spreads.get(column.name, 1.0))
        for column in reference.columns
        if (counts := window.columns.get(column.name)) is not None
    ]
    return corrected(compared, drift)


def compare_counts(column: ReferenceColumn, counts: ColumnCounts, weight: float, spread: float = 1.0) -> ColumnDrift:
    """One column against its reference, not judged yet: its p-value is its own."""
    rows = sum(counts.bins) + counts.missing + counts.unseen
    was_rows = sum(column.counts) + column.missing + column.unseen
    was, now = np.array(column.counts, dtype=np.float64), np.array(counts.bins, dtype=np.float64)
    comparable, number = len(was) == len(now), column.kind == "number"
    tested = (ks_counts if number else chi_squared)(was / spread, now / spread) if comparable else None
    others, was_others = (0, 0) if number else (sum(counts.bins[-1:]), sum(column.counts[-1:]))
    return ColumnDrift(
        column=column.name,
        kind=column.kind,
        rows=rows,
        was_rows=was_rows,
        psi=psi(was, now) if comparable else None,
        test="ks" if number else "chi2",
        statistic=tested.statistic if tested else None,
        p_value=tested.p_value if tested else None,
        drifted=False,
        matters=False,
        importance=column.importance,
        missing_share=_share(counts.missing, rows),
        was_missing=_share(column.missing, was_rows),
        unseen_share=_share(counts.unseen + others, rows),
        was_unseen=_share(column.unseen + was_others, was_rows),
        outside_share=_share(_outside(column, counts.bins), rows),
        was_outside=_share(_outside(column, column.counts), was_rows),
        weight=weight,
        jensen_shannon=jensen_shannon(was, now) if comparable else None,
        wasserstein=_moved(column, was, now) if comparable and number else None,
        usual=column.usual,
    )


def corrected(columns: Sequence[ColumnDrift], drift: Drift) -> tuple[ColumnDrift, ...]:
    """p-values by Holm's method (1979), which bounds the chance of any false alarm among all columns; and who drifted.

    A column has drifted where the PSI reaches `drift.psi`, and what the reference's own windows reach, and its
    corrected p-value is below `drift.alpha`. It matters where it would make a drifted window by itself: an output does,
    and an input that weighs `drift.weight`.
    """
    tested = [one for one in columns if one.p_value is not None]
    p_values = holm(np.array([one.p_value for one in tested], dtype=np.float64)).tolist()
    by_name = dict(zip((one.column for one in tested), p_values, strict=True))
    return tuple(_judged(one, by_name.get(one.column), drift) for one in columns)


def input_weights(columns: Sequence[ReferenceColumn]) -> dict[str, float]:
    """Each input's share of all inputs' importance; 1 for each where no importance is known. Outputs have none."""
    inputs = {one.name: one.importance for one in columns if not one.name.startswith(OUTPUT)}
    total = sum(inputs.values())
    return {name: importance / total if total > 0 else 1.0 for name, importance in inputs.items()}


def _said(text: str, rows: int, seasons: int) -> Reason:
    figures = {"rows": float(rows), "seasons": float(seasons)}
    return Reason(rule="reference", finding="pass", text=text, figures=figures)


def _known(column: ReferenceColumn, merged: WindowSummary) -> bool:
    return column.name in merged.columns and len(merged.columns[column.name].bins) == len(column.counts)


def _of_seasons(column: ReferenceColumn, counts: ColumnCounts) -> ReferenceColumn:
    """The seasons' own `spread` says how they differ; windows of other hours than theirs say nothing of it."""
    return replace(column, counts=counts.bins, missing=counts.missing, unseen=counts.unseen, usual=0.0)


def _stacked(name: str, seasons: Sequence[WindowSummary]) -> np.ndarray:
    return np.array([one.columns[name].bins for one in seasons if name in one.columns])


def _judged(column: ColumnDrift, p_value: float | None, drift: Drift) -> ColumnDrift:
    far = column.psi is not None and column.psi >= max(drift.psi, column.usual)
    drifted = far and p_value is not None and p_value < drift.alpha
    matters = column.column.startswith(OUTPUT) or (column.weight > 0 and column.weight >= drift.weight)
    return replace(column, p_value=p_value, drifted=drifted, matters=matters)


def _outside(column: ReferenceColumn, counts: Sequence[int]) -> int:
    """Numbers in the open bins, below and above all that the reference was made from."""
    return counts[0] + counts[-1] if column.edges and len(counts) > 1 else 0


def _moved(column: ReferenceColumn, was: np.ndarray, now: np.ndarray) -> float | None:
    """Wasserstein's distance in the reference's standard deviations; None where it has none."""
    spread, distance = deviation(column.edges, was), wasserstein(column.edges, was, now)
    return distance / spread if spread and distance is not None else None


def _share(count: int, rows: int) -> float:
    return count / rows if rows else 0.0
