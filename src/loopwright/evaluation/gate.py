"""The gate: whether a candidate may go on. A pure rule from its evaluation to a decision with reasons.

Each rule below gives its reasons or none; further rules (several models at once, fairness across slices) join `RULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil

from loopwright.core.decision import Finding, Reason, decide
from loopwright.declare import METRICS, Gate
from loopwright.evaluation.records import Comparison, Estimate, EvaluationReport, GateDecision

Rule = Callable[[Gate, EvaluationReport], Iterator[Reason]]


def decide_gate(gate: Gate, report: EvaluationReport, approval_given: bool = False) -> GateDecision:
    """Whether the candidate may go on.

    - `metric`: the metric that decides has a value on the test rows.
    - `at_least`, `at_most`: its value meets the threshold. Binds a first version, warns afterwards.
    - `dummy`: better than the dummy. A first version must show it (the lower bound of the paired difference is above
      zero); a later one must be better in these rows, and is warned where that may be chance.
    - `champion`: not worse than the champion by `margin` of its figure, shown by the one-sided lower bound of the
      paired difference. A champion that cannot be compared leaves the candidate to the rules of a first version, and
      to a person's approval.
    - `max_latency_ms`, `max_size_mb`: within the budget, if one is set.
    - `approval`: never refuses; it says that a person must agree before the candidate goes on.
    """
    reasons = [reason for rule in RULES for reason in rule(gate, report)]
    asked = gate.approval or _is_incomparable(report)
    if asked:
        reasons.append(_approval(gate, approval_given))
    return GateDecision(
        candidate=report.candidate,
        champion=report.champion,
        decision=decide(reasons),
        needs_approval=asked and not approval_given,
    )


def _metric(gate: Gate, report: EvaluationReport) -> Iterator[Reason]:
    if _own(report) is None:
        yield Reason(
            rule="metric",
            finding="fail",
            text=f"{report.metric} has no meaning on the {report.rows:,} test rows",
            figures={"rows": report.rows},
        )


def _thresholds(gate: Gate, report: EvaluationReport) -> Iterator[Reason]:
    own = _own(report)
    if own is None:
        return
    for rule, bound, words in (("at_least", gate.at_least, "at least"), ("at_most", gate.at_most, "at most")):
        if bound is None:
            continue
        met = own.value >= bound if rule == "at_least" else own.value <= bound
        text = f"{report.metric} {_estimate(own)} is {'' if met else 'not '}{words} {bound:g}"
        if not met and _is_later(report):
            text += ", which binds a first version only"
        finding: Finding = "pass" if met else "warn" if _is_later(report) else "fail"
        yield Reason(rule=rule, finding=finding, text=text, figures={"value": own.value, "threshold": bound})


def _dummy(gate: Gate, report: EvaluationReport) -> Iterator[Reason]:
    against = report.against("dummy")
    own = _own(report)
    if own is None:
        return
    if against is None:
        yield Reason(rule="dummy", finding="fail", text=f"the dummy has no {report.metric} on the test rows")
        return
    what = f"{report.dummy or 'the dummy'} ({report.metric} {own.value:.4g} against {against.baseline:.4g})"
    shown = against.low is not None and against.low > 0
    if shown:
        yield _reason("dummy", "pass", f"better than {what}", against, 0.0)
    elif against.difference <= 0:
        yield _reason("dummy", "fail", f"no better than {what}", against, 0.0)
    else:
        finding: Finding = "warn" if _is_later(report) else "fail"
        yield _reason("dummy", finding, f"not shown to be better than {what}: {_needed(against, 0.0)}", against, 0.0)


def _champion(gate: Gate, report: EvaluationReport) -> Iterator[Reason]:
    against = report.against("champion")
    if against is None:
        return
    allowed = gate.margin * abs(against.baseline)
    sign = 1 if METRICS[report.metric][1] else -1
    value = against.baseline + sign * against.difference
    what = f"{report.metric} {value:.4g} against the champion's {against.baseline:.4g} on {against.rows:,} rows"
    if against.low is not None and against.low >= -allowed:
        yield _reason("champion", "pass", f"{what}: not worse by {gate.margin:.0%}", against, allowed)
    elif against.difference < -allowed:
        yield _reason("champion", "fail", f"{what}: worse by more than {gate.margin:.0%}", against, allowed)
    else:
        text = f"{what}: not shown to be within {gate.margin:.0%}: {_needed(against, allowed)}"
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


def _approval(gate: Gate, given: bool) -> Reason:
    why = "" if gate.approval else ", because it could not be compared with the champion"
    if given:
        return Reason(rule="approval", finding="pass", text="a person has approved it")
    return Reason(rule="approval", finding="warn", text=f"a person must approve it{why}")


def _own(report: EvaluationReport) -> Estimate | None:
    return report.metrics.get("candidate", {}).get(report.metric)


def _is_later(report: EvaluationReport) -> bool:
    return report.against("champion") is not None


def _is_incomparable(report: EvaluationReport) -> bool:
    return report.champion is not None and report.against("champion") is None


def _estimate(one: Estimate) -> str:
    interval = "" if one.low is None or one.high is None else f" [{one.low:.4g}, {one.high:.4g}]"
    return f"{one.value:.4g}{interval}"


def _reason(rule: str, finding: Finding, text: str, against: Comparison, allowed: float) -> Reason:
    figures = {
        "difference": against.difference,
        "baseline": against.baseline,
        "allowed": allowed,
        "confidence": against.confidence,
        "rows": float(against.rows),
    }
    if against.low is not None and against.high is not None:
        figures |= {"low": against.low, "high": against.high}
    return Reason(rule=rule, finding=finding, text=text, figures=figures)


def _needed(against: Comparison, allowed: float) -> str:
    """How many rows there are and about how many would do: the bound's distance shrinks with the root of the rows."""
    if against.low is None:
        return f"{against.rows:,} rows are too few to say"
    room, reach = against.difference + allowed, against.difference - against.low
    if room <= 0:
        return f"{against.rows:,} rows"
    return (
        f"{against.rows:,} rows are too few to say, about {ceil(against.rows * (reach / room) ** 2):,} would be needed"
    )
