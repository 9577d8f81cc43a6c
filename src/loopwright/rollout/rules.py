"""The analysis of a rollout's step: a pure function from what was seen to advance, hold or abort."""

from __future__ import annotations

from dataclasses import replace

from loopwright.core.decision import Finding, Reason
from loopwright.rollout import guards
from loopwright.rollout.records import RolloutPlan, StepDecision, StepEvidence

NOBODY = 0.001
"""How unlikely it must be that no request should have reached the challenger, for it to be said that none can."""


def decide_step(
    plan: RolloutPlan, seconds: float, seen: StepEvidence, *, weight: int, unseen_seconds: float
) -> StepDecision:
    """What to do with a step that has lasted `seconds` and gives the challenger `weight` percent.

    A guard that fails aborts at once; otherwise the step must have lasted its interval and the challenger must have had
    `min_requests`, or nobody asked anything, or patience has run out. An A/B test advances when the challenger has
    surely won, or at its horizon. What was asked in the last `unseen_seconds` may not be known yet.
    """
    judged = judge(plan, seen, weight)
    if any(one.finding == "fail" for one in judged):
        return StepDecision(action="abort", reasons=judged)
    last = _winner(plan, seconds, seen) if plan.metric else _enough(plan, seconds, seen, weight, unseen_seconds)
    action = {"pass": "advance", "warn": "hold", "fail": "abort"}[last.finding]
    return StepDecision(action=action, reasons=(*judged, last))  # type: ignore[arg-type]


def judge(plan: RolloutPlan, seen: StepEvidence, weight: int) -> tuple[Reason, ...]:
    """What each guard says. They share the policy's `alpha` evenly: the chance that any is wrong is at most the sum."""
    if weight == 100 and not plan.shadow:  # nobody answers beside it: what both did before says nothing of now
        seen = replace(seen, blocks=())
    level = plan.alpha / (3 + (plan.max_shift is not None) + (plan.metric is not None))
    found = [guards.errors(plan, seen, level)]
    if not plan.shadow:  # a shadow's latency is its prediction's alone
        found.append(guards.latency(plan, seen, level))
    if (shifted := guards.shift(plan, seen, level)) is not None:
        found.append(shifted)
    found.append(guards.quality(seen, level))
    if plan.metric is not None:
        found.append(guards.split(plan, seen, weight, level))
    return tuple(found)


def _enough(plan: RolloutPlan, seconds: float, seen: StepEvidence, weight: int, unseen_seconds: float) -> Reason:
    challenger, asked = seen.challenger, seen.asked
    answered = challenger.requests - challenger.errors
    figures = {"seconds": seconds, "requests": float(challenger.requests), "asked": float(asked)}

    def reason(finding: Finding, text: str) -> Reason:
        return Reason(rule="enough", finding=finding, text=text, figures=figures)

    if seconds < plan.interval_seconds:
        return reason("warn", f"the step has lasted {seconds:.0f} of {plan.interval_seconds:.0f} seconds")
    if answered >= plan.min_requests:
        return reason("pass", f"challenger answered {answered} requests in {seconds:.0f} seconds")
    if asked == 0:
        if seconds < plan.interval_seconds + unseen_seconds:
            return reason("warn", "no requests so far; the latest may still be on their way")
        return reason("pass", f"nobody asked anything for {seconds:.0f} seconds, so nobody is at risk")
    if seconds < plan.patience_seconds:
        return reason("warn", f"challenger answered {answered} of {plan.min_requests} requests")
    if challenger.requests == 0 and (1 - weight / 100) ** _drawn(seen) < NOBODY:
        return reason("fail", f"none of {asked} requests reached the challenger: no server serves it")
    return reason("pass", f"patience ran out with {answered} of {plan.min_requests} requests, none against")


def _drawn(seen: StepEvidence) -> int:
    """How often it was drawn by lot who answers: for each request, or once for all requests of a slot of keys."""
    return seen.champion.slots[0] if seen.keyed else seen.asked


def _winner(plan: RolloutPlan, seconds: float, seen: StepEvidence) -> Reason:
    """Has the challenger surely won? At the horizon, undecided, it ends as the policy says."""
    won, text, figures = _by_quality(plan, seen) if plan.metric == "quality" else _by_errors(plan, seen)
    horizon = plan.patience_seconds

    def reason(finding: Finding, said: str) -> Reason:
        return Reason(rule="winner", finding=finding, text=said, figures=figures | {"seconds": seconds})

    if won and seconds >= plan.interval_seconds:
        return reason("pass", f"the challenger won: {text}")
    if seconds >= horizon:
        kept = plan.otherwise == "challenger"
        return reason("pass" if kept else "fail", f"undecided at the horizon, so the {plan.otherwise} has it: {text}")
    return reason("warn", f"undecided after {seconds:.0f} of {horizon:.0f} seconds: {text}")


def _by_quality(plan: RolloutPlan, seen: StepEvidence) -> tuple[bool, str, dict[str, float]]:
    low, high = guards.loss_difference(seen, plan.alpha)
    units = min((one.units for one in seen.quality), default=0) if seen.quality else 0
    if units < guards.QUALITY_UNITS:
        return False, f"outcomes of {units} are known, {guards.QUALITY_UNITS} each needed", {"units": float(units)}
    text = f"the challenger's loss lies {low:.2g} to {high:.2g} above the champion's, and must lie below 0 wholly"
    return high < 0, text, {"low": low, "high": high}


def _by_errors(plan: RolloutPlan, seen: StepEvidence) -> tuple[bool, str, dict[str, float]]:
    p = guards.fewer_errors_p(plan, seen)
    text = f"that it fails more seldom is {'sure' if p <= plan.alpha else 'not sure'} (p = {p:.2g}, {plan.alpha:g} is)"
    return p <= plan.alpha, text, {"p": p}
