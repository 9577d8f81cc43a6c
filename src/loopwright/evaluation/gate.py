"""The gate: whether a candidate may go on. A pure rule from its evaluation to a decision with reasons.

Each rule gives its reasons or none; further rules (of several models at once, of fairness across slices) join `RULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from loopwright.core.decision import Finding, Reason, decide
from loopwright.declare import METRICS, Gate
from loopwright.evaluation.records import Comparison, Estimate, EvaluationReport, GateDecision

Rule = Callable[[Gate, EvaluationReport], Iterator[Reason]]


def decide_gate(
    gate: Gate, report: EvaluationReport, approval_given: bool = False, *, replay: Iterable[Reason] = ()
) -> GateDecision:
    """Whether the candidate may go on. The reasons' rules, and when they fail:

    - `metric`: the metric that decides has no value on the test rows.
    - `at_least`, `at_most`: its value misses the threshold. Binds a first version, warns afterwards.
    - `dummy`: not better than the dummy. A first version must show that it is better than one that knows nothing (the
      one-sided lower bound of the paired difference is above zero); against a dummy that repeats what was known before,
      which is a rival and no ignorance, and in a later version, a lead that may be chance is a warning.
    - `champion`: not shown to be worse by less than `margin` of the champion's figure (the one-sided lower bound of the
      paired difference must not be below it). A champion that cannot be compared leaves the candidate to the rules of
      a first version, and to a person's approval.
    - `max_latency_ms`, `max_size_mb`: above the budget, where one is set.
    - `replay…`: see `replay_rules.judge_replay`, whose reasons are handed in as `replay`.
    - `approval`: never fails; it says that a person must agree before the candidate goes on.
    """
    reasons = [*(reason for rule in RULES for reason in rule(gate, report)), *replay]
    asked = gate.approval or _stands_apart(report)
    if asked:
        finding: Finding = "pass" if approval_given else "warn"
        text = "a person has approved it" if approval_given else "a person must approve it before it goes on"
        reasons.append(Reason(rule="approval", finding=finding, text=text))
    return GateDecision(
        candidate=report.candidate,
        champion=report.champion,
        decision=decide(reasons),
        needs_approval=asked and not approval_given,
    )


def _metric(gate: Gate, report: EvaluationReport) -> Iterator[Reason]:
    if _own(report) is None:
        text = f"{report.metric} has no value on the {report.rows:,} test rows"
        yield Reason(rule="metric", finding="fail", text=text, figures={"rows": report.rows})


def _thresholds(gate: Gate, report: EvaluationReport) -> Iterator[Reason]:
    own = _own(report)
    for rule, bound, words in (("at_least", gate.at_least, "at least"), ("at_most", gate.at_most, "at most")):
        if own is None or bound is None:
            continue
        met = own.value >= bound if rule == "at_least" else own.value <= bound
        finding: Finding = "pass" if met else "warn" if _is_later(report) else "fail"
        text = f"{report.metric} {_estimate(own)} is {'' if met else 'not '}{words} {bound:g}"
        if finding == "warn":
            text += ", which binds a first version only"
        yield Reason(rule=rule, finding=finding, text=text, figures={"value": own.value, "threshold": bound})


def _dummy(gate: Gate, report: EvaluationReport) -> Iterator[Reason]:
    against = report.against("dummy")
    if against is None:
        return
    what = f"{against.metric} {_figure(against):.4g} against the dummy's {against.baseline:.4g} ({report.dummy})"
    if against.low is not None and against.low > 0:
        yield _reason("dummy", "pass", f"{what}: better, {_at_least(against)}", against, 0.0)
    elif against.difference <= 0:
        yield _reason("dummy", "fail", f"{what}: no better", against, 0.0)
    else:
        finding: Finding = "warn" if report.dummy_persists or _is_later(report) else "fail"
        yield _reason("dummy", finding, f"{what}: that may be chance; {_needed(against, 0.0)}", against, 0.0)


def _champion(gate: Gate, report: EvaluationReport) -> Iterator[Reason]:
    against = report.against("champion")
    if against is None:
        if _stands_apart(report):
            text = f"{report.incomparable}; so the rules for a first version hold, and a person decides"
            yield Reason(rule="champion", finding="warn", text=text)
        return
    allowed = gate.margin * abs(against.baseline)
    bound = f"where {allowed:.3g} ({gate.margin:.3g} of it) is allowed"
    whose = "the champion's, before its refit," if against.sibling else "the champion's"
    what = f"{report.metric} {_figure(against):.4g} against {whose} {against.baseline:.4g} on {against.rows:,} rows"
    if against.low is not None and against.low > 0:
        yield _reason("champion", "pass", f"{what}: better, {_at_least(against)}", against, allowed)
    elif against.low is not None and against.low >= -allowed:
        text = f"{what}: worse by at most {max(0.0, -against.low):.3g}, {bound}"
        yield _reason("champion", "pass", text, against, allowed)
    elif against.difference < -allowed:
        text = f"{what}: worse by {-against.difference:.3g}, {bound}"
        yield _reason("champion", "fail", text, against, allowed)
    else:
        text = f"{what}: it may be worse by more than the {allowed:.3g} allowed; {_needed(against, allowed)}"
        yield _reason("champion", "fail", text, against, allowed)


def _budgets(gate: Gate, report: EvaluationReport) -> Iterator[Reason]:
    for rule, found, bound, what, unit in (
        ("max_latency_ms", report.latency_ms, gate.max_latency_ms, "a prediction takes", "ms"),
        ("max_size_mb", report.size_mb, gate.max_size_mb, "the bundle has", "MB"),
    ):
        if bound is not None:
            kept = found <= bound
            text = f"{what} {found:.3g} {unit}, {'within' if kept else 'above'} the budget of {bound:g} {unit}"
            figures = {"value": found, "budget": bound}
            yield Reason(rule=rule, finding="pass" if kept else "fail", text=text, figures=figures)


RULES: tuple[Rule, ...] = (_metric, _thresholds, _dummy, _champion, _budgets)


def _own(report: EvaluationReport) -> Estimate | None:
    return report.metrics.get("candidate", {}).get(report.metric)


def _is_later(report: EvaluationReport) -> bool:
    """Whether there is a champion to be measured by; else the rules of a first version hold."""
    return report.against("champion") is not None


def _stands_apart(report: EvaluationReport) -> bool:
    return report.champion is not None and not _is_later(report)


def _figure(against: Comparison) -> float:
    """The candidate's own figure on the rows of a comparison."""
    return against.baseline + (against.difference if METRICS[against.metric][1] else -against.difference)


def _estimate(one: Estimate) -> str:
    interval = "" if one.low is None or one.high is None else f" [{one.low:.4g}, {one.high:.4g}]"
    return f"{one.value:.4g}{interval}"


def _at_least(against: Comparison) -> str:
    return f"by at least {against.low:.3g} at {against.confidence:.3g} confidence"


def _needed(against: Comparison, allowed: float) -> str:
    """How many rows there are and about how many would do: a bound comes nearer with the root of the rows."""
    if against.low is None:
        return f"{against.rows:,} rows are too few for any bound"
    room, reach = against.difference + allowed, against.difference - against.low
    if reach > 100 * room:
        return f"{against.rows:,} rows do not show it, and more would hardly do"
    needed = float(f"{against.rows * (reach / room) ** 2:.2g}")
    return f"{against.rows:,} rows are too few, about {needed:,.0f} would be needed"


def _reason(rule: str, finding: Finding, text: str, against: Comparison, allowed: float) -> Reason:
    bounds = {"low": against.low, "high": against.high}
    figures = {
        "difference": against.difference,
        "baseline": against.baseline,
        "allowed": allowed,
        "confidence": against.confidence,
        "rows": float(against.rows),
    } | {name: value for name, value in bounds.items() if value is not None}
    return Reason(rule=rule, finding=finding, text=text, figures=figures)
