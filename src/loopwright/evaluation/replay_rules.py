"""What a replay says for or against a candidate: pure rules, whose reasons the gate takes among its own."""

from __future__ import annotations

from collections.abc import Iterator

from loopwright.core.decision import Finding, Reason
from loopwright.core.price import CoreHour
from loopwright.evaluation.differences import Bounded, Difference, Differences
from loopwright.evaluation.replay_records import LatencyComparison, ReplayReport
from loopwright.policies.gate import Gate, Replay
from loopwright.statistics.comparison import wilson

MANY_CHANGED = 0.5
MANY_FLIPPED = 0.1
SLOW = 2.0
"""What is told as a warning where nothing was declared: more answers moved than stayed, more than a tenth of the rows
called otherwise, twice the latency."""


def judge_replay(
    policy: Replay, gate: Gate, report: ReplayReport, core_hour: CoreHour | None = None
) -> tuple[Reason, ...]:
    """The reasons of a replay; none where there was nothing to replay. The rules, and when they fail:

    - `replay`: warns where there is captured traffic that cannot be replayed.
    - `replay_errors`: the share of rows that the candidate does not answer is surely above `max_errors`: Wilson's
      interval (1927), one-sided at the gate's confidence, lies above it. With none allowed, one row is sure.
    - `replay_differences`: the share of changed answers is surely above `max_changed`; without it, a warning where
      surely more than half have changed, or a tenth are called another class.
    - `replay_latency`: the candidate's median is above the gate's `max_latency_ms`, or the ratio of medians surely
      above `max_latency_ratio`; without it, a warning where it is surely above twice the champion's.
    """
    if report.impossible:
        text = f"captured requests cannot be replayed: {report.impossible}"
        return (Reason(rule="replay", finding="warn", text=text),)
    if not report.rows:
        return ()
    return (
        _errors(policy, gate, report),
        *_differences(policy, report),
        *_latency(policy, gate, report.latency, core_hour),
    )


def _errors(policy: Replay, gate: Gate, report: ReplayReport) -> Reason:
    asked = f"{report.rows:,} captured rows that version {report.champion} answered"
    figures = {"rows": float(report.rows), "failed": float(report.failed), "allowed": policy.max_errors}
    if not report.failed:
        return Reason(rule="replay_errors", finding="pass", text=f"the candidate answers all {asked}", figures=figures)
    low, _ = wilson(report.failed, report.rows, confidence=2 * gate.confidence - 1)
    share, worst = report.failed / report.rows, report.errors[0]
    text = f"the candidate does not answer {report.failed:,} of {asked} ({share:.2%}): {worst.message}"
    if len(report.errors) > 1:
        text += f" ({worst.rows:,} rows), and {len(report.errors) - 1} other reasons"
    if worst.column is not None and worst.rows == report.rows:
        text += f'; if callers send it already, declare replay=Replay(sent=["{worst.column}"])'
    finding: Finding = "fail" if low > policy.max_errors else "warn" if share > policy.max_errors else "pass"
    if policy.max_errors:
        text += f"; {policy.max_errors:.2%} are allowed"
    return Reason(rule="replay_errors", finding=finding, text=text, figures=figures | {"low": low})


def _differences(policy: Replay, report: ReplayReport) -> Iterator[Reason]:
    found = report.differences
    if found is None:
        return
    whole = found.whole
    text = f"{whole.changed.value:.1%} of {whole.rows:,} answers moved by more than {found.tolerance:.3g}"
    if whole.shift is not None:
        text += f", by {whole.shift.value:+.3g} on average"
    if whole.flipped is not None:
        text += f", and {whole.flipped.value:.1%} are called another class"
    if report.unheard:
        yield _said("warn", f"{text}; but {', '.join(report.unheard)} was empty in the replay", whole)
        return
    text += _where(found)
    limit = policy.max_changed
    flipped = whole.flipped is not None and _above(whole.flipped, MANY_FLIPPED)
    if limit is not None:
        above = _above(whole.changed, limit)
        finding: Finding = "fail" if above else "warn" if flipped or whole.changed.value > limit else "pass"
        yield _said(finding, f"{text}; {limit:.1%} may move", whole, allowed=limit)
    else:
        yield _said("warn" if flipped or _above(whole.changed, MANY_CHANGED) else "pass", text, whole)


def _latency(
    policy: Replay, gate: Gate, found: LatencyComparison | None, core_hour: CoreHour | None
) -> Iterator[Reason]:
    if found is None:
        return
    budget, limit = gate.max_latency_ms, policy.max_latency_ratio
    text = (
        f"one row takes {found.candidate_ms:.3g} ms, the champion {found.champion_ms:.3g} ms "
        f"({found.ratio:.2f} times, {found.low:.2f} to {found.high:.2f})"
    )
    over = budget is not None and found.candidate_ms > budget
    beyond = limit is not None and found.low > limit
    doubtful = found.ratio > limit if limit is not None else found.low > SLOW
    finding: Finding = "fail" if over or beyond else "warn" if doubtful else "pass"
    text += f"; the budget is {budget:g} ms" if budget is not None else ""
    text += f"; {limit:g} times are allowed" if limit is not None else ""
    figures = {"candidate_ms": found.candidate_ms, "champion_ms": found.champion_ms, "ratio": found.ratio}
    bounds = {"low": found.low, "high": found.high, "rows": float(found.rows)}
    yield Reason(rule="replay_latency", finding=finding, text=text + _cost(core_hour, found), figures=figures | bounds)


def _cost(core_hour: CoreHour | None, found: LatencyComparison) -> str:
    """What a million predictions one by one cost in one core's time, and in money where its price is known."""
    ours, theirs = (milliseconds / 3.6 for milliseconds in (found.candidate_ms, found.champion_ms))
    if core_hour is None:
        return f"; a million take {ours:.3g} hours of a core, the champion's {theirs:.3g} (core_hour_price is unset)"
    cost, other = (core_hour.said(hours * core_hour.price) for hours in (ours, theirs))
    return f"; a million cost {cost}, the champion's {other} (at {core_hour.said(core_hour.price)} an hour of a core)"


def _where(found: Differences) -> str:
    """The segment that surely has the most changes, where these are surely more than among all rows."""
    worst = max(found.segments, key=lambda one: one.changed.low or 0.0, default=None)
    if worst is None or not _above(worst.changed, found.whole.changed.value):
        return ""
    return f"; most where {worst.column} is {worst.value}: {worst.changed.value:.1%} of {worst.rows:,}"


def _above(share: Bounded, limit: float) -> bool:
    return share.low is not None and share.low > limit


def _said(finding: Finding, text: str, whole: Difference, *, allowed: float | None = None) -> Reason:
    figures = {"changed": whole.changed.value, "rows": float(whole.rows), "units": float(whole.units)}
    bounds = {"low": whole.changed.low, "high": whole.changed.high, "allowed": allowed}
    known = {name: value for name, value in bounds.items() if value is not None}
    return Reason(rule="replay_differences", finding=finding, text=text, figures=figures | known)
