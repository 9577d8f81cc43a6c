"""Would retraining help? What a backtest says of a request: worth it, not shown, or surely not."""

from __future__ import annotations

from loopwright.core.decision import Finding, Reason
from loopwright.policies.retraining import Governor
from loopwright.retraining.records import BacktestReport, GovernorState, RetrainRequest


def wants_backtest(request: RetrainRequest, policy: Governor) -> bool:
    """Whether the request is tried out first.

    By "unasked" those that come of what was seen (drift, decay) or of the clock; a person and an amount of new data
    that was declared to be enough have said themselves that it is worth it. By "always" new data too.
    """
    if request.force or request.trigger == "manual":
        return False
    return policy.backtest == "always" or (policy.backtest == "unasked" and request.trigger != "new_data")


def try_out(request: RetrainRequest, state: GovernorState) -> Reason | None:
    """Whether the backtest, where one is wanted and can be had, lets the request go on."""
    if not state.can_backtest or state.champion is None or not wants_backtest(request, state.policy):
        return None
    if state.backtest is None:
        return Reason(rule="backtest", finding="warn", text="waits for the backtest: would retraining help?")
    return weigh(state.backtest, state.policy.worth)


def weigh(report: BacktestReport, worth: float) -> Reason:
    """Fails only where retraining would surely gain less than the share `worth` of the champion's figure.

    That is where the one-sided upper bound of the gain, paired on the same newest rows, lies below it: a test of
    equivalence on one side (Schuirmann, 1987), so too few rows refuse nothing. It is not said where the refit had fewer
    rows to learn from than the champion, nor where the champion does worse (by as much) on the rows tested than on
    those before: what changed may then be too new for the refit to have seen.
    """
    if report.difference is None or report.baseline is None or report.low is None or report.high is None:
        return _reason("pass", f"a backtest cannot tell whether it would help: {report.trouble or 'no bound'}", report)
    least = worth * abs(report.baseline)
    what = (
        f"on the {report.tested:,} newest labelled rows a refit on {report.learned:,} rows changes {report.metric} "
        f"{report.baseline:.4g} for the better by {report.difference:.3g} [{report.low:.3g}, {report.high:.3g}]"
    )
    if report.high >= least:
        verdict = "worth it" if report.low > 0 else "not shown that it would help, nor that it would not"
        return _reason("pass", f"{verdict}: {what}", report, least)
    if report.learned < report.seen:
        why = f"the refit had fewer rows to learn from than the champion's {report.seen:,}"
        return _reason("pass", f"not shown that it would help: {what}, but {why}", report, least)
    if report.before is not None and _lost(report, report.before) > least:
        why = f"the champion's own figure was {report.before:.4g} on the rows before: what changed may be too new"
        return _reason("pass", f"not shown that it would help: {what}, but {why}", report, least)
    text = f"it would surely not help enough: {what}, where a gain of {least:.3g} ({worth:.3g} of it) is wanted"
    return _reason("fail", text, report, least)


def _lost(report: BacktestReport, before: float) -> float:
    """By how much the champion does worse on the rows tested than on those before."""
    assert report.baseline is not None
    return before - report.baseline if report.more_is_better else report.baseline - before


def _reason(finding: Finding, text: str, report: BacktestReport, least: float | None = None) -> Reason:
    known = {
        "difference": report.difference,
        "low": report.low,
        "high": report.high,
        "baseline": report.baseline,
        "wanted": least,
    }
    figures = {name: value for name, value in known.items() if value is not None}
    counts = {"tested": float(report.tested), "learned": float(report.learned), "seen": float(report.seen)}
    return Reason(rule="backtest", finding=finding, text=text, figures=figures | (counts if figures else {}))
