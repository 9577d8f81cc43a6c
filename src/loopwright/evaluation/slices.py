"""Slices: how the candidate does on the rows where a declared column has one value."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from loopwright.bundle.encoding import category_text
from loopwright.evaluation.bench import Bench, Contender
from loopwright.evaluation.records import SliceReport
from loopwright.statistics.metrics import metrics

VALUES = 20
FEWEST = 30
"""A slice of fewer rows says nothing."""


def slice_reports(
    bench: Bench, rows: pl.DataFrame, columns: Iterable[str], candidate: Contender, champion: Contender | None
) -> tuple[list[SliceReport], list[str]]:
    """The `VALUES` commonest values of each column that have at least `FEWEST` test rows, and notes on the others.

    A missing value is the value "missing". The champion is shown where it has seen none of the test rows: figures on
    different rows would invite a comparison that is none. Compared they are on those that it has not seen.
    """
    shown = [candidate] + ([champion] if champion is not None and champion.unseen.all() else [])
    reports, notes = [], []
    for column in columns:
        values = rows[column].alias("value")
        counts = values.value_counts(name="rows").sort(["rows", "value"], descending=[True, False])
        kept = counts.head(VALUES).filter(pl.col("rows") >= FEWEST)
        if kept.height < counts.height:
            notes.append(
                f"slices by {column}: {kept.height} of {counts.height:,} values, the commonest of {FEWEST} rows or more"
            )
        reports += [_slice(bench, column, values, value, shown, champion) for value in kept["value"]]
    return reports, notes


def _slice(
    bench: Bench,
    column: str,
    values: pl.Series,
    value: object,
    shown: list[Contender],
    champion: Contender | None,
) -> SliceReport:
    inside = values.eq_missing(pl.Series([value], dtype=values.dtype)).to_numpy()
    figures = [
        metrics(bench.task.name, bench.truth[inside], one.scores[inside], threshold=one.threshold) for one in shown
    ]
    return SliceReport(
        column=column,
        value="missing" if value is None else str(category_text(value)),
        rows=int(inside.sum()),
        candidate=figures[0],
        champion=figures[1] if len(figures) > 1 else {},
        comparison=None if champion is None else bench.compare(shown[0], champion, inside=inside),
    )
