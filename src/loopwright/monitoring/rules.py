"""Judging a window of traffic: pure functions from the reference and the window's counts to a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from loopwright.bundle.records import Reference, ReferenceColumn
from loopwright.core.decision import Decision, Reason, decide
from loopwright.declare import Drift
from loopwright.monitoring.divergence import chi2, holm, ks, psi
from loopwright.monitoring.records import ColumnDrift, Finding, Severity
from loopwright.traffic.predictions import OUTPUT
from loopwright.traffic.summary import ColumnCounts, WindowSummary

CARRIED = 0.95
"""The columns that together carry this share of the model's importance are those that matter, and outputs always do.

Columns that only tell what time it is (a year, a running number) drift for ever; a model that does not lean on them
need not learn again because of them.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a rule makes of a window. `judged` is false where there was too little to say anything."""

    judged: bool
    decision: Decision


def compare_columns(reference: Reference, window: WindowSummary, drift: Drift) -> tuple[ColumnDrift, ...]:
    """Each column of the reference against the window's counts on the same bins.

    PSI, and a test at `drift.alpha` corrected over the columns (Holm, 1979): Kolmogorov-Smirnov at the bins' edges for
    numbers, chi² for categories. A column has drifted where both say so.
    """
    matters = _mattering(reference.columns)
    compared = [
        _compare(column, window.columns[column.name], column.name in matters)
        for column in reference.columns
        if column.name in window.columns
    ]
    tested = [one for one in compared if one.p_value is not None]
    corrected = dict(zip((one.column for one in tested), holm([one.p_value or 0.0 for one in tested]), strict=True))
    return tuple(_judge(one, corrected.get(one.column), drift) for one in compared)


def judge_drift(columns: Sequence[ColumnDrift], rows: int, drift: Drift) -> Verdict:
    """Whether the window has drifted: in a column that matters, or in a prediction."""
    if rows < drift.min_rows:
        return _unjudged(f"{rows} rows came, fewer than {drift.min_rows}: drift is not judged", rows)
    if not columns:
        return _unjudged("the bundle brought no reference for these columns: drift cannot be judged", rows)
    reasons = [_drift_reason(one, drift) for one in sorted(columns, key=lambda one: -(one.psi or 0.0)) if one.drifted]
    if not reasons:
        highest = max((one.psi or 0.0 for one in columns), default=0.0)
        text = f"none of {len(columns)} columns drifted in {rows} rows (highest PSI {highest:.2f})"
        reasons = [Reason(rule="drift", finding="pass", text=text, figures={"rows": float(rows), "psi": highest})]
    return Verdict(judged=True, decision=decide(reasons))


def severity(finding: Finding) -> Severity:
    """How loudly a failed finding is told: requests that fail and predictions that drift matter to users at once."""
    predictions = any(column.drifted and column.column.startswith(OUTPUT) for column in finding.columns)
    return "critical" if finding.kind == "errors" or (finding.kind == "drift" and predictions) else "warning"


def _unjudged(text: str, rows: int) -> Verdict:
    return Verdict(
        judged=False, decision=decide([Reason(rule="rows", finding="warn", text=text, figures={"rows": float(rows)})])
    )


def _mattering(columns: Sequence[ReferenceColumn]) -> set[str]:
    outputs = {column.name for column in columns if column.name.startswith(OUTPUT)}
    inputs = sorted((column for column in columns if column.name not in outputs), key=lambda column: -column.importance)
    total = sum(column.importance for column in inputs)
    if total <= 0:
        return {column.name for column in columns}
    before = [0.0, *accumulate(column.importance / total for column in inputs)]
    return outputs | {
        column.name for column, carried in zip(inputs, before, strict=False) if carried < CARRIED and column.importance
    }


def _compare(column: ReferenceColumn, counts: ColumnCounts, matters: bool) -> ColumnDrift:
    known, was_known = sum(counts.bins), sum(column.counts)
    rows, was_rows = known + counts.missing + counts.unseen, was_known + column.missing
    comparable = known > 0 and was_known > 0 and len(counts.bins) == len(column.counts)
    test = ks if column.kind == "number" else chi2
    statistic, p_value = test(column.counts, counts.bins) if comparable else (None, None)
    others, was_others = (0, 0) if column.kind == "number" else (sum(counts.bins[-1:]), sum(column.counts[-1:]))
    return ColumnDrift(
        column=column.name,
        kind=column.kind,
        rows=rows,
        psi=psi(column.counts, counts.bins) if comparable else None,
        test="ks" if column.kind == "number" else "chi2",
        statistic=statistic,
        p_value=p_value,
        drifted=False,
        matters=matters,
        importance=column.importance,
        missing_share=_share(counts.missing, rows),
        was_missing=_share(column.missing, was_rows),
        unseen_share=_share(counts.unseen + others, rows),
        was_unseen=_share(was_others, was_rows),
    )


def _judge(column: ColumnDrift, p_value: float | None, drift: Drift) -> ColumnDrift:
    drifted = column.psi is not None and p_value is not None and column.psi >= drift.psi and p_value < drift.alpha
    return replace(column, p_value=p_value, drifted=drifted)


def _drift_reason(column: ColumnDrift, drift: Drift) -> Reason:
    figures = {"psi": column.psi or 0.0, "p": column.p_value or 0.0, "rows": float(column.rows)}
    text = f"{column.column} drifted: PSI {column.psi:.2f} (limit {drift.psi:g}), p = {column.p_value:.2g}"
    if column.matters:
        return Reason(rule="drift", finding="fail", text=text, figures=figures)
    return Reason(rule="drift", finding="warn", text=f"{text}, but the model hardly uses it", figures=figures)


def _share(count: int, rows: int) -> float:
    return count / rows if rows else 0.0
