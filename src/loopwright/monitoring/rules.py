"""Judging a window of traffic: pure functions from the reference and the window's counts to a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

import numpy as np

from loopwright.core.decision import Decision, Reason, decide
from loopwright.monitoring.records import ColumnDrift, Finding, JointDrift, Severity
from loopwright.policies.retraining import Drift
from loopwright.rollout.evidence import latency_quantile
from loopwright.statistics.comparison import holm, two_proportions, unusual_count, wilson
from loopwright.traffic.predictions import INPUT, OUTPUT
from loopwright.traffic.summary import LATENCY_EDGES_MS, WindowSummary

JUMP = 0.05
"""How much greater than the reference's a share of missing or unseen values must be to be called broken."""

ERROR_LIMIT = 0.02
"""The share of failed requests that is too much; a window fails where its share surely is (99 %) above."""

SLOW_RATIO, SLOW_MS = 2.0, 5.0
"""Latency is too high where p99 surely is (99 %) above this many times the usual one, and by this many milliseconds."""

UNEVEN = 0.1
"""How unevenly a version may have its share of a window, and be judged by it: see `windows.unevenly`. By chance 200
rows of an even share are 0.05 apart."""

JOINT_AUC = 0.6
"""How well rows must be told from the reference's for it to matter: the ROC-AUC of a classifier."""

FEWEST_WEEKS = 4
"""Weeks that a usual volume is made of, at least."""

FEWEST_GAPS, LONGER = 20, 3
"""Gaps that are needed to know how long they usually are, and how many times the longest of them is too long."""

LOST_LIMIT = 0.01
"""The share of answered rows whose capture may be lost: what is learned and judged from captures is off by no more."""

ENOUGH_REQUESTS = 20
"""Fewer requests than this say nothing of errors or latency."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a rule makes of a window. `judged` is false where there was too little to say anything."""

    judged: bool
    decision: Decision


def judge_drift(columns: Sequence[ColumnDrift], rows: int, drift: Drift, basis: Reason | None = None) -> Verdict:
    """Whether the window has drifted: in a prediction, or in inputs that weigh enough together.

    An input weighs its share of all inputs' importance. Drift fails where the weights of the drifted inputs come to
    `drift.weight` or more: what the model hardly leans on may drift as it likes, one by one. `basis` says what the
    columns were held against.
    """
    short = _too_little(columns, rows, drift)
    if short is not None:
        return short
    drifted = sorted((one for one in columns if one.drifted), key=lambda one: -(one.psi or 0.0))
    carried = sum(one.weight for one in drifted)
    reasons = [_drift_reason(one, drift, carried) for one in drifted]
    if not reasons:
        highest = max(columns, key=lambda one: one.psi or 0.0)
        text = f"none of {len(columns)} columns drifted in {rows} rows (highest {_psi(highest, drift)})"
        figures = {"rows": float(rows), "psi": highest.psi or 0.0}
        reasons = [Reason(rule="drift", finding="pass", text=text, figures=figures)]
    elif any(one.importance for one in drifted):
        reasons.append(_weight_reason(carried, drift))
    return Verdict(judged=True, decision=decide([*reasons, *([basis] if basis else [])]))


def judge_share(uneven: float) -> Verdict | None:
    """A window of whose hours the version had unlike shares is not judged by its columns; None where it may be.

    Who takes over in the evening has answered evenings: against days and nights they would seem to have drifted.
    """
    if uneven <= UNEVEN:
        return None
    text = (
        f"the version did not answer when callers asked ({uneven:.0%} of its rows came at other times of the window): "
        "it took over, or began to share, in the midst of it, which is not judged"
    )
    reason = Reason(rule="share", finding="warn", text=text, figures={"uneven": uneven, "limit": UNEVEN})
    return Verdict(judged=False, decision=decide([reason]))


def judge_joint(joint: JointDrift | None, drift: Drift) -> Verdict:
    """Whether rows as a whole are unlike the reference's: a classifier tells them apart, surely and well.

    It catches what no column shows by itself, such as columns that no longer go together.
    """
    if joint is None:
        text = "there are too few rows, or no columns, to tell them apart by"
        return Verdict(judged=False, decision=decide([Reason(rule="joint", finding="warn", text=text)]))
    bad = joint.auc >= JOINT_AUC and joint.p_value < drift.alpha
    by = ", ".join(list(joint.columns)[:3])
    text = (
        f"a classifier tells the rows from the reference's with ROC-AUC {joint.auc:.2f} (limit {JOINT_AUC:g}, "
        f"p = {joint.p_value:.2g})" + (f", by {by}" if by and bad else "")
    )
    figures = {"auc": joint.auc, "p": joint.p_value, "rows": float(joint.rows)}
    reason = Reason(rule="joint", finding="fail" if bad else "pass", text=text, figures=figures)
    return Verdict(judged=True, decision=decide([reason]))


def judge_quality(columns: Sequence[ColumnDrift], rows: int, drift: Drift, *, first: bool = False) -> Verdict:
    """Whether inputs have become missing, or have values that the reference never showed, far more often than there.

    Where it is the `first` window of a version, inputs that are unlike the evaluation rows at once are warned of: drift
    takes time, but features that are computed differently when served (training-serving skew) show from the start.
    """
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
        text = f"missing, unseen and outside values of {len(inputs)} columns are as in the reference, in {rows} rows"
        reasons = [Reason(rule="quality", finding="pass", text=text, figures={"rows": float(rows)})]
    skewed = [_skew_reason(column) for column in inputs if column.drifted and column.matters] if first else []
    return Verdict(judged=True, decision=decide([*reasons, *skewed]))


def judge_volume(asked: int, usual: Sequence[int], drift: Drift) -> Verdict:
    """Whether far more or fewer requests came than at the same time of earlier weeks, `usual`.

    It fails where the count is half the usual median or less, or twice or more, and chance would have it so less often
    than `drift.alpha` (see `unusual_count`). Fewer than `FEWEST_WEEKS` weeks say nothing.
    """
    tested = unusual_count(asked, np.array(usual)) if len(usual) >= FEWEST_WEEKS else None
    if tested is None:
        text = f"{asked:,} requests came; {len(usual)} earlier weeks are known, {FEWEST_WEEKS} are needed to judge that"
        return Verdict(judged=False, decision=decide([Reason(rule="volume", finding="warn", text=text)]))
    middle = median(usual)
    text = f"{asked:,} requests came, {middle:,.0f} usually do at this time of the week (p = {tested.p_value:.2g})"
    figures = {"requests": float(asked), "usual": float(middle), "weeks": float(len(usual)), "p": tested.p_value}
    far = (2 * asked <= middle or asked >= 2 * middle) and asked != middle
    bad = far and tested.p_value < drift.alpha
    return Verdict(
        judged=True,
        decision=decide([Reason(rule="volume", finding="fail" if bad else "pass", text=text, figures=figures)]),
    )


def judge_silence(what: str, silence: timedelta, gaps: Sequence[float]) -> Verdict:
    """Whether `what` ("requests", "rows") has not come for longer than usual; `gaps` are earlier silences, in seconds.

    It fails where the silence is longer than `LONGER` times the longest of `FEWEST_GAPS` gaps or more. If gaps come in
    no order, the next is the longest of n + 1 with chance 1 / (n + 1), whatever their distribution.
    """
    if len(gaps) < FEWEST_GAPS:
        text = f"no new {what} for {_length(silence.total_seconds())}; {len(gaps)} earlier gaps say too little of it"
        return Verdict(judged=False, decision=decide([Reason(rule="silence", finding="warn", text=text)]))
    longest = max(gaps)
    bad = silence.total_seconds() > LONGER * longest and silence.total_seconds() > 0
    text = (
        f"no new {what} for {_length(silence.total_seconds())}; the longest of {len(gaps)} gaps was {_length(longest)}"
    )
    figures = {"silence_s": silence.total_seconds(), "longest_s": longest, "gaps": float(len(gaps))}
    reason = Reason(rule="silence", finding="fail" if bad else "pass", text=text, figures=figures)
    return Verdict(judged=True, decision=decide([reason]))


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


def judge_capture(window: WindowSummary) -> Verdict:
    """Whether captures are lost: a full count, so its share is no estimate."""
    share = window.dropped / window.rows if window.rows else 0.0
    text = f"the captures of {window.dropped} of {window.rows} rows were lost ({share:.1%}, limit {LOST_LIMIT:.0%})"
    figures = {"rows": float(window.rows), "lost": float(window.dropped), "share": share, "limit": LOST_LIMIT}
    reason = Reason(rule="capture", finding="fail" if share > LOST_LIMIT else "pass", text=text, figures=figures)
    return Verdict(judged=window.rows > 0, decision=decide([reason]))


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


def _drift_reason(column: ColumnDrift, drift: Drift, carried: float) -> Reason:
    figures = {
        "psi": column.psi or 0.0,
        "p": column.p_value or 0.0,
        "rows": float(column.rows),
        "weight": column.weight,
        "usual": column.usual,
    }
    limit = f"limit {drift.psi:g}" if column.usual <= drift.psi else f"ordinary windows reach {column.usual:.2f}"
    text = f"{column.column} drifted: PSI {column.psi:.2f} ({limit}), p = {column.p_value:.2g}"
    if column.matters or (column.weight > 0 and carried >= drift.weight):
        return Reason(rule="drift", finding="fail", text=text, figures=figures)
    return Reason(rule="drift", finding="warn", text=f"{text}, but the model hardly uses it", figures=figures)


def _psi(column: ColumnDrift, drift: Drift) -> str:
    usual = f", ordinary windows reach {column.usual:.2f}" if column.usual > drift.psi else ""
    return f"PSI {column.psi or 0.0:.2f}{usual}"


def _weight_reason(carried: float, drift: Drift) -> Reason:
    """Beside the columns' own reasons: what fails a window fails by them."""
    text = f"the inputs that drifted carry {carried:.0%} of the model's importance (limit {drift.weight:.0%})"
    figures = {"weight": carried, "limit": drift.weight}
    return Reason(rule="weight", finding="fail" if 0 < carried >= drift.weight else "pass", text=text, figures=figures)


def _skew_reason(column: ColumnDrift) -> Reason:
    text = (
        f"{column.column} is unlike the evaluation rows from the first window on (PSI {column.psi:.2f}): "
        "is it computed as it was in training?"
    )
    return Reason(rule="skew", finding="warn", text=text, figures={"psi": column.psi or 0.0, "weight": column.weight})


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
        "outside": (column.outside_share, column.was_outside),
    }
    for what, (now, before) in shares.items():
        hits, were = round(now * column.rows), round(before * column.was_rows)
        tested = two_proportions(hits, column.rows, were, column.was_rows, alternative="more")
        if tested is not None:
            yield _Jump(column=column, what=what, now=now, before=before, p_value=tested.p_value)


def _jump_reason(jump: _Jump) -> Reason:
    what = "outside the reference's range" if jump.what == "outside" else jump.what
    text = f"{jump.column.column} is {what} in {jump.now:.1%} of the rows, in the reference in {jump.before:.1%}"
    figures = {"share": jump.now, "was": jump.before, "p": jump.p_value, "rows": float(jump.column.rows)}
    if jump.column.matters:
        return Reason(rule=jump.what, finding="fail", text=text, figures=figures)
    return Reason(rule=jump.what, finding="warn", text=f"{text}, but the model hardly uses it", figures=figures)


def _p99(counts: Sequence[int]) -> float:
    return latency_quantile(tuple(counts), 0.99) or 0.0


def _length(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} seconds"
