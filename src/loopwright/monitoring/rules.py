"""Judging a window of traffic: pure functions from the reference and the window's counts to a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from loopwright.bundle.records import Reference, ReferenceColumn
from loopwright.core.decision import Decision, Reason, decide
from loopwright.declare import Drift
from loopwright.monitoring.records import ColumnDrift, Finding, Severity
from loopwright.rollout.evidence import latency_quantile
from loopwright.statistics.comparison import chi_squared, holm, ks_counts, two_proportions, wilson
from loopwright.statistics.divergence import psi
from loopwright.traffic.predictions import INPUT, OUTPUT
from loopwright.traffic.summary import LATENCY_EDGES_MS, ColumnCounts, WindowSummary

CARRIED = 0.95
"""The columns that together carry this share of the model's importance are those that matter, and outputs always do.

Columns that only tell what time it is (a year, a running number) drift for ever; a model that does not lean on them
need not learn again because of them.
"""

JUMP = 0.05
"""How much greater than the reference's a share of missing or unseen values must be to be called broken."""

ERROR_LIMIT = 0.02
"""The share of failed requests that is too much; a window fails where its share surely is (99 %) above."""

SLOW_RATIO, SLOW_MS = 2.0, 5.0
"""Latency is too high where p99 surely is (99 %) above this many times the usual one, and by this many milliseconds."""

ENOUGH_REQUESTS = 20
"""Fewer requests than this say nothing of errors or latency."""


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
    p_values = holm(np.array([one.p_value for one in tested], dtype=np.float64)).tolist()
    corrected = dict(zip((one.column for one in tested), p_values, strict=True))
    return tuple(_judge(one, corrected.get(one.column), drift) for one in compared)


def judge_drift(columns: Sequence[ColumnDrift], rows: int, drift: Drift) -> Verdict:
    """Whether the window has drifted: in a column that matters, or in a prediction."""
    short = _too_little(columns, rows, drift)
    if short is not None:
        return short
    reasons = [_drift_reason(one, drift) for one in sorted(columns, key=lambda one: -(one.psi or 0.0)) if one.drifted]
    if not reasons:
        highest = max((one.psi or 0.0 for one in columns), default=0.0)
        text = f"none of {len(columns)} columns drifted in {rows} rows (highest PSI {highest:.2f})"
        reasons = [Reason(rule="drift", finding="pass", text=text, figures={"rows": float(rows), "psi": highest})]
    return Verdict(judged=True, decision=decide(reasons))


def judge_quality(columns: Sequence[ColumnDrift], rows: int, drift: Drift) -> Verdict:
    """Whether inputs have become missing, or have values that the reference never showed, far more often than there."""
    short = _too_little(columns, rows, drift)
    if short is not None:
        return short
    inputs = [column for column in columns if column.column.startswith(INPUT)]
    jumps = [jump for column in inputs for jump in _jumps(column)]
    corrected = holm(np.array([jump.p_value for jump in jumps], dtype=np.float64)).tolist()
    reasons = [
        _jump_reason(jump)
        for jump, p_value in zip(jumps, corrected, strict=True)
        if p_value < drift.alpha and jump.now - jump.before >= JUMP
    ]
    if not reasons:
        text = f"missing and unseen values of {len(inputs)} columns are as in the reference, in {rows} rows"
        reasons = [Reason(rule="quality", finding="pass", text=text, figures={"rows": float(rows)})]
    return Verdict(judged=True, decision=decide(reasons))


def judge_errors(window: WindowSummary) -> Verdict:
    """Whether too many requests failed."""
    failed = sum(window.errors.values())
    asked = window.requests + failed
    share = failed / asked if asked else 0.0
    surely, _ = wilson(failed, asked, confidence=0.98)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(window.errors.items()) if count)
    text = f"{failed} of {asked} requests failed ({share:.1%})" + (f": {kinds}" if kinds else "")
    figures = {"requests": float(asked), "errors": float(failed), "share": share, "limit": ERROR_LIMIT}
    bad = asked >= ENOUGH_REQUESTS and surely > ERROR_LIMIT
    reason = Reason(rule="errors", finding="fail" if bad else "pass", text=text, figures=figures)
    return Verdict(judged=asked >= ENOUGH_REQUESTS, decision=decide([reason]))


def judge_latency(window: WindowSummary, usual: Sequence[int]) -> Verdict:
    """Whether answers take far longer than this version's `usual` ones, counts on `LATENCY_EDGES_MS`."""
    requests, before = sum(window.latency), sum(usual)
    if requests < ENOUGH_REQUESTS or before < ENOUGH_REQUESTS:
        text = f"{requests} requests, and {before} before: too few to judge latency"
        return Verdict(judged=False, decision=decide([Reason(rule="latency", finding="warn", text=text)]))
    usual_p99, p99 = _p99(usual), _p99(window.latency)
    limit = max(SLOW_RATIO * usual_p99, usual_p99 + SLOW_MS)
    slow = sum(count for edge, count in zip((0.0, *LATENCY_EDGES_MS), window.latency, strict=False) if edge >= limit)
    surely, _ = wilson(slow, requests, confidence=0.98)
    text = f"p99 latency is {p99:.1f} ms, usually {usual_p99:.1f} ms (limit {limit:.1f} ms)"
    figures = {"p99_ms": p99, "usual_p99_ms": usual_p99, "limit_ms": limit, "requests": float(requests)}
    reason = Reason(rule="latency", finding="fail" if surely > 0.01 else "pass", text=text, figures=figures)
    return Verdict(judged=True, decision=decide([reason]))


def severity(finding: Finding) -> Severity:
    """How loudly a failed finding is told: requests that fail and predictions that drift matter to users at once."""
    predictions = any(column.drifted and column.column.startswith(OUTPUT) for column in finding.columns)
    return "critical" if finding.kind == "errors" or (finding.kind == "drift" and predictions) else "warning"


def _too_little(columns: Sequence[ColumnDrift], rows: int, drift: Drift) -> Verdict | None:
    if rows < drift.min_rows:
        text = f"{rows} rows came, fewer than {drift.min_rows}: the window is not judged"
    elif not columns:
        text = "the bundle brought no reference for what came: the window cannot be judged"
    else:
        return None
    reason = Reason(rule="rows", finding="warn", text=text, figures={"rows": float(rows)})
    return Verdict(judged=False, decision=decide([reason]))


def _mattering(columns: Sequence[ReferenceColumn]) -> set[str]:
    outputs = {column.name for column in columns if column.name.startswith(OUTPUT)}
    inputs = sorted((column for column in columns if column.name not in outputs), key=lambda column: -column.importance)
    total = sum(column.importance for column in inputs)
    if total <= 0:
        return {column.name for column in columns}
    before = accumulate((column.importance / total for column in inputs), initial=0.0)
    return outputs | {
        column.name
        for column, carried in zip(inputs, before, strict=False)
        if carried < CARRIED and column.importance > 0
    }


def _compare(column: ReferenceColumn, counts: ColumnCounts, matters: bool) -> ColumnDrift:
    rows = sum(counts.bins) + counts.missing + counts.unseen
    was_rows = sum(column.counts) + column.missing
    was, now = np.array(column.counts), np.array(counts.bins)
    comparable, number = len(was) == len(now), column.kind == "number"
    tested = (ks_counts if number else chi_squared)(was, now) if comparable else None
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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Jump:
    column: ColumnDrift
    what: str
    now: float
    before: float
    p_value: float


def _jumps(column: ColumnDrift) -> Iterator[_Jump]:
    """The shares now and before, and how likely that is where there are no more than before."""
    shares = {
        "missing": (column.missing_share, column.was_missing),
        "unseen": (column.unseen_share, column.was_unseen),
    }
    for what, (now, before) in shares.items():
        hits, were = round(now * column.rows), round(before * column.was_rows)
        tested = two_proportions(hits, column.rows, were, column.was_rows, alternative="more")
        if tested is not None:
            yield _Jump(column=column, what=what, now=now, before=before, p_value=tested.p_value)


def _jump_reason(jump: _Jump) -> Reason:
    text = f"{jump.column.column} is {jump.what} in {jump.now:.1%} of the rows, in the reference in {jump.before:.1%}"
    figures = {"share": jump.now, "was": jump.before, "p": jump.p_value, "rows": float(jump.column.rows)}
    if jump.column.matters:
        return Reason(rule=jump.what, finding="fail", text=text, figures=figures)
    return Reason(rule=jump.what, finding="warn", text=f"{text}, but the model hardly uses it", figures=figures)


def _p99(counts: Sequence[int]) -> float:
    return latency_quantile(tuple(counts), 0.99) or 0.0


def _share(count: int, rows: int) -> float:
    return count / rows if rows else 0.0
