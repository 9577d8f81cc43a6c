"""Judging live quality: pure functions from a window's performance and the test rows' to a verdict."""

from __future__ import annotations

from datetime import datetime
from math import isfinite, sqrt

from loopwright.core.decision import Reason, decide
from loopwright.evaluation.records import Estimate
from loopwright.monitoring.records import Performance
from loopwright.monitoring.rules import Verdict
from loopwright.policies.retraining import Decay
from loopwright.policies.tasks import METRICS
from loopwright.statistics.special import normal_quantile

BORROWED = 0.2
"""A window is not judged where more than this share of its predictions is unlike all whose label has come."""

_BOUNDS_AT = 1.959964


def judge_performance(
    decay: Decay, metric: str, window: Performance, reference: Estimate | None, *, come: float | None = None
) -> Verdict:
    """Whether the window's `metric` is surely worse than `reference`, the test rows', by more than the margin.

    The figure is the corrected one. Both intervals count: the difference of two independent figures has the standard
    error sqrt(a^2 + b^2), and the window fails where the difference less its normal quantile at `confidence` exceeds
    the margin (a one-sided z test at its null boundary: Lehmann & Romano, "Testing Statistical Hypotheses", 2005, 3.4).
    `come` is which share of the labels that ever come has by the window's age, None where that is not known: a window
    that lacks labels is judged all the same where hardly any more will come.
    """
    short = _too_little(decay, metric, window, reference, come)
    if short is not None:
        return Verdict(judged=False, decision=decide([short]))
    assert reference is not None
    now = window.corrected[metric]
    sign = 1.0 if METRICS[metric][1] else -1.0
    margin = decay.margin * abs(reference.value)
    worse = sign * (reference.value - now.value)
    error = sqrt(_error(now) ** 2 + _error(reference) ** 2)
    surely = worse - normal_quantile(decay.confidence) * error
    figures = {
        "value": now.value,
        "reference": reference.value,
        "worse": worse,
        "margin": margin,
        "surely": surely,
        "coverage": window.coverage,
        "outcomes": float(window.outcomes),
    }
    text = f"{metric} is {now.value:.4g} ({_bounds(now)}), on the test rows it was {reference.value:.4g}"
    said_of_labels = f"{window.coverage:.0%} of {window.predictions:,} labels have come"
    if come is not None and window.coverage < decay.coverage:
        said_of_labels += f", and {come:.0%} of those that ever come do by this age: it is judged by them"
        figures["come"] = come
    if surely > margin:
        said = (
            f"{text}: worse by {worse:.2g}, surely ({decay.confidence:.0%}) by more than {margin:.2g}; {said_of_labels}"
        )
        reason = Reason(rule="decay", finding="fail", text=said, figures=figures)
    else:
        said = f"{text}; {decay.margin:.0%} worse would be too much; {said_of_labels}"
        reason = Reason(rule="decay", finding="pass", text=said, figures=figures)
    return Verdict(judged=True, decision=decide([reason]))


def losses_reason(decay: Decay, risen: datetime | None, usual: float) -> Reason | None:
    """A failed reason where the losses, watched one after another, have risen for sure by the prediction made then."""
    if risen is None:
        return None
    text = (
        f"losses have risen by more than {decay.margin:.0%} over what they were on the test rows, "
        f"which became sure with the prediction of {risen:%Y-%m-%d %H:%M} UTC"
    )
    return Reason(rule="losses", finding="fail", text=text, figures={"limit": usual})


def run_length(decay: Decay, rows: int) -> float:
    """How many losses apart the false alarms of an `EDetector` shall be: of as many windows as the rule's own."""
    return max(rows, decay.min_rows) / (1 - decay.confidence)


def _too_little(
    decay: Decay, metric: str, window: Performance, reference: Estimate | None, come: float | None
) -> Reason | None:
    share = f"{window.coverage:.0%} of {window.predictions:,} labels have come"
    if max(window.coverage, come or 0.0) < decay.coverage:
        text = f"{share}, less than {decay.coverage:.0%}: the window waits"
    elif window.outcomes < decay.min_rows:
        text = f"{window.outcomes:,} labels have come, fewer than {decay.min_rows:,}: the window is not judged"
    elif window.borrowed > BORROWED:
        text = f"{share}, but none like {window.borrowed:.0%} of the predictions: the window waits"
    elif reference is None:
        text = f"the version's evaluation has no {metric} to hold the window against"
    elif metric not in window.corrected:
        text = f"{metric} has no meaning on these {window.outcomes:,} labels"
    elif not isfinite(_error(window.corrected[metric]) + _error(reference)):
        text = f"{window.outcomes:,} labels, or the test rows, are too few to say how far {metric} may be off"
    else:
        return None
    return Reason(rule="labels", finding="warn", text=text, figures={"coverage": window.coverage})


def _error(figure: Estimate) -> float:
    """The standard error behind a 95 % interval; infinite without one."""
    if figure.low is None or figure.high is None:
        return float("inf")
    return (figure.high - figure.low) / (2 * _BOUNDS_AT)


def _bounds(figure: Estimate) -> str:
    return f"{figure.low:.4g} to {figure.high:.4g}"
