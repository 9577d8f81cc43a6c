"""The gate: whether a candidate may go on. A pure rule from its evaluation to a decision with reasons.

Each rule gives its reasons or none; further ones join `RULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from loopwright.core.decision import Finding, Reason, decide
from loopwright.core.price import CoreHour
from loopwright.evaluation.fairness import in_doubt, judge_fairness
from loopwright.evaluation.records import Comparison, Estimate, EvaluationReport, GateDecision
from loopwright.policies.gate import Gate
from loopwright.policies.tasks import METRICS
from loopwright.statistics.comparison import holm
from loopwright.statistics.power import rows_needed

Rule = Callable[[Gate, EvaluationReport], Iterator[Reason]]


def decide_gate(
    gate: Gate,
    report: EvaluationReport,
    approval_given: bool = False,
    *,
    replay: Iterable[Reason] = (),
    core_hour: CoreHour | None = None,
) -> GateDecision:
    """Whether the candidate may go on. The reasons' rules, and when they fail:

    - `metric`: the metric that decides has no value on the test rows.
    - `at_least`, `at_most`: its value misses the threshold. Binds a first version, warns afterwards.
    - `dummy`: not better than the dummy. A first version must show that it is better than one that knows nothing (the
      one-sided lower bound of the paired difference is above zero); against a dummy that repeats what was known before,
      which is a rival and no ignorance, and in a later version, a lead that may be chance is a warning.
    - `champion`: not shown to be worse by less than `margin` of the champion's figure, or with `rule="superior"` not
      shown to be better: the p-value of the null hypothesis, tested at its own boundary, is above what is asked; or
      there are fewer than `min_rows`. A champion that cannot be compared leaves the candidate to the rules of a first
      version, and to a person's approval.
    - `anchor`: not shown to be worse than the champion's anchor by less than `margin`; see `anchor.anchor_after`. A
      margin that each candidate may use up would let quality creep downwards, promotion by promotion ("biocreep":
      Everson-Stewart and Emerson, 2010); this one is allowed once.
    - `uses`: never fails; it says that rows which have judged before let less chance pass. What is asked of `champion`
      and `also` is 1 - confidence, divided by how often their rows have judged: of k candidates in a row that are worse
      by the margin, none passes on the same rows but with a chance of (1 + ln k) (1 - confidence) (Bonferroni).
    - `also …`: as `champion`, not inferior, in a further metric. All must pass, so none is corrected for the others (an
      intersection-union test; Berger, 1982).
    - `slices`: worse than the champion by more than the margin in some slice, surely so: at 1 - confidence by Holm's
      method over the slices (1979). One of few rows need show nothing, or no candidate would ever pass.
    - `fairness …`: see `fairness.judge_fairness`; a limit that may be broken asks for a person's approval.
    - `replay…`: see `replay_rules.judge_replay`, whose reasons are handed in as `replay`.
    - `approval`: never fails; it says that a person must agree before the candidate goes on.
    """
    reasons = [*(reason for rule in RULES for reason in rule(gate, report)), *_cost(gate, report, core_hour), *replay]
    asked = gate.approval or _stands_apart(report) or in_doubt(gate, report)
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
    alpha = 1 - gate.confidence
    if _shown(against.p_better, alpha):
        yield _reason("dummy", "pass", f"{what}: better{_at_least(against)}", against, alpha)
    elif against.difference <= 0:
        # After the world has changed the champion may be worse than both: to refuse would be to keep it.
        relief = (live := report.against("champion")) is not None and _shown(live.p_better, alpha)
        text = f"{what}: no better{', but surely better than the champion' if relief else ''}"
        yield _reason("dummy", "warn" if relief else "fail", text, against, alpha)
    else:
        finding: Finding = "warn" if report.dummy_persists or _is_later(report) else "fail"
        text = f"{what}: that may be chance{_needed(against, against.difference, alpha)}"
        yield _reason("dummy", finding, text, against, alpha)


def _champion(gate: Gate, report: EvaluationReport) -> Iterator[Reason]:
    against = report.against("champion")
    if against is not None:
        judge = _superior if gate.rule == "superior" else _not_inferior
        yield judge("champion", gate, against, _asked(gate, report))
    elif _stands_apart(report):
        text = f"{report.incomparable}; so the rules for a first version hold, and a person decides"
        yield Reason(rule="champion", finding="warn", text=text)


def _anchor(gate: Gate, report: EvaluationReport) -> Iterator[Reason]:
    against = report.against("anchor")
    if against is not None and _is_later(report):
        yield _not_inferior("anchor", gate, against, _asked(gate, report))


def _uses(gate: Gate, report: EvaluationReport) -> Iterator[Reason]:
    if report.uses > 1.005 and _is_later(report):
        asked, at_first = _asked(gate, report), 1 - gate.confidence
        text = (
            f"these rows have judged {report.uses - 1:.3g} candidates before: a chance of {asked:.3g} is let pass, "
            f"not {at_first:.3g}; newer test rows would cost nothing"
        )
        yield Reason(rule="uses", finding="pass", text=text, figures={"uses": report.uses, "alpha": asked})


def _also(gate: Gate, report: EvaluationReport) -> Iterator[Reason]:
    if not _is_later(report):
        return
    known = {one.metric: one for one in report.also}
    for metric in gate.also:
        if metric in known:
            yield _not_inferior(f"also {metric}", gate, known[metric], _asked(gate, report))
        else:
            text = f"{metric} has no value on the rows that are compared"
            yield Reason(rule=f"also {metric}", finding="fail", text=text)


def _slices(gate: Gate, report: EvaluationReport) -> Iterator[Reason]:
    judged = [(one, one.comparison) for one in report.slices if gate.slices and one.comparison is not None]
    known = [(one, against) for one, against in judged if against.p_worse is not None and against.rows >= gate.min_rows]
    alpha = 1 - gate.confidence
    corrected = holm(np.array([against.p_worse for _, against in known], dtype=np.float64))
    worse = [pair for pair, p in zip(known, corrected, strict=True) if _shown(p, alpha)]
    for one, against in worse:
        text = (
            f"where {one.column} is {one.value}: {_held(against)}: surely worse by more than {_margin(gate, against)}"
        )
        yield _reason("slices", "fail", text, against, alpha)
    if known and not worse:
        text = f"on none of {len(known)} slices surely worse by more than {gate.margin:.3g} of the champion's figure"
        yield Reason(rule="slices", finding="pass", text=text, figures={"slices": float(len(known))})


def _superior(rule: str, gate: Gate, against: Comparison, alpha: float) -> Reason:
    what = _held(against)
    if against.rows < gate.min_rows:
        return _reason(rule, "fail", f"{what}: fewer than {gate.min_rows} decide nothing", against, alpha)
    if _shown(against.p_better, alpha):
        return _reason(rule, "pass", f"{what}: better{_at_least(against)} ({_p(against.p_better)})", against, alpha)
    if against.difference <= 0:
        return _reason(rule, "fail", f"{what}: no better", against, alpha)
    needed = _needed(against, against.allowed or against.difference, alpha)
    return _reason(rule, "fail", f"{what}: that may be chance{needed}", against, alpha)


def _not_inferior(rule: str, gate: Gate, against: Comparison, alpha: float) -> Reason:
    what = _held(against)
    if against.rows < gate.min_rows:
        return _reason(rule, "fail", f"{what}: fewer than {gate.min_rows} decide nothing", against, alpha)
    if _shown(against.p_better, alpha):
        return _reason(rule, "pass", f"{what}: better{_at_least(against)} ({_p(against.p_better)})", against, alpha)
    if _shown(against.p_not_worse, alpha):
        text = f"{what}: not worse by {_margin(gate, against)} ({_p(against.p_not_worse)})"
        return _reason(rule, "pass", text, against, alpha)
    if against.difference < -against.allowed:
        text = f"{what}: worse by {-against.difference:.3g}, where less than {_margin(gate, against)} is allowed"
        return _reason(rule, "fail", text, against, alpha)
    needed = _needed(against, against.allowed or against.difference, alpha)
    text = f"{what}: it may be worse by {_margin(gate, against)}{needed}"
    return _reason(rule, "fail", text, against, alpha)


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


def _cost(gate: Gate, report: EvaluationReport, core_hour: CoreHour | None) -> Iterator[Reason]:
    rule, budget = "max_training_cost", gate.max_training_cost
    if budget is None:
        return
    hours = report.training_seconds * report.training_cores / 3600
    if core_hour is None:
        text = f"training took {hours:.3g} core-hours; what they cost is not known (core_hour_price is unset)"
        yield Reason(rule=rule, finding="warn", text=text, figures={"core_hours": hours})
        return
    cost = hours * core_hour.price
    kept = "within" if cost <= budget else "above"
    text = f"its training cost {core_hour.said(cost)}, {kept} the budget of {core_hour.said(budget)}"
    finding: Finding = "pass" if cost <= budget else "fail"
    yield Reason(rule=rule, finding=finding, text=text, figures={"value": cost, "budget": budget})


RULES: tuple[Rule, ...] = (
    _metric,
    _thresholds,
    _dummy,
    _champion,
    _anchor,
    _uses,
    _also,
    _slices,
    judge_fairness,
    _budgets,
)


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


def _asked(gate: Gate, report: EvaluationReport) -> float:
    """The chance that is let pass: less, the more often the rows have judged."""
    return (1 - gate.confidence) / report.uses


def _shown(p_value: float | None, alpha: float) -> bool:
    return p_value is not None and p_value <= alpha


def _held(against: Comparison) -> str:
    whose = f"the {against.against}'s, before its refit," if against.sibling else f"the {against.against}'s"
    return f"{against.metric} {_figure(against):.4g} against {whose} {against.baseline:.4g} on {against.rows:,} rows"


def _margin(gate: Gate, against: Comparison) -> str:
    return f"{against.allowed:.3g} ({gate.margin:.3g} of it)"


def _p(p_value: float | None) -> str:
    return f"p = {p_value:.2g}"


def _at_least(against: Comparison) -> str:
    if against.low is None or against.low <= 0:
        return ""
    return f" by at least {against.low:.3g} at {against.confidence:.3g} confidence"


def _needed(against: Comparison, effect: float, alpha: float) -> str:
    """How many rows would see `effect` four times in five, and how many there are."""
    if against.error is None:
        return f"; {against.rows:,} rows are too few for any bound" + (against.lacking and f": {against.lacking}")
    needed = rows_needed(against.rows, against.error, effect, alpha=alpha)
    if needed is None:
        return ""
    told = float(f"{needed:.2g}")
    if needed <= against.rows:
        return f"; about {told:,.0f} rows see {effect:.3g} four times in five, so more would hardly show it"
    return f"; about {told:,.0f} rows are needed to see {effect:.3g}, it has {against.rows:,}"


def _reason(rule: str, finding: Finding, text: str, against: Comparison, alpha: float) -> Reason:
    maybe = {"low": against.low, "high": against.high, "p_better": against.p_better, "p_not_worse": against.p_not_worse}
    needed = None
    if against.error is not None:
        effect = against.allowed or against.difference
        needed = rows_needed(against.rows, against.error, effect, alpha=alpha)
    figures = {
        "difference": against.difference,
        "baseline": against.baseline,
        "allowed": against.allowed,
        "confidence": against.confidence,
        "alpha": alpha,
        "rows": float(against.rows),
    } | {name: value for name, value in (maybe | {"rows_needed": needed}).items() if value is not None}
    return Reason(rule=rule, finding=finding, text=text, figures=figures)
