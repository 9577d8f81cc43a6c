"""The analysis of a rollout's step: a pure function from what was seen to advance, hold or abort.

Later analyses (always-valid tests, outcomes, A/B) take this function's place: it reads records and returns a record.
"""

from __future__ import annotations

import math

from loopwright.core.decision import Finding, Reason
from loopwright.rollout.records import RolloutPlan, StepDecision, VariantEvidence

ALPHA = 0.001
"""How sure an abort must be. Small, because a step is looked at many times before it ends."""

ALONE_ERROR_SHARE = 0.05
"""With no champion to compare with, the share of failed requests that ends a rollout."""

P99_REQUESTS = 50
"""The p99 of fewer requests is the slowest one's: one hiccup of the machine would end a rollout."""


def decide_step(
    plan: RolloutPlan,
    seconds: float,
    challenger: VariantEvidence,
    champion: VariantEvidence,
    asked: int,
    *,
    weight: int,
    unseen_seconds: float,
) -> StepDecision:
    """What to do with a step that has lasted `seconds` and gives the challenger `weight` percent.

    `challenger` was seen during this step, `champion` since the rollout began; `asked` are the endpoint's requests to
    any variant during this step. What was asked in the last `unseen_seconds` may not be known yet. A guard that fails
    aborts at once; otherwise the step must have lasted its interval and the challenger must have had `min_requests`,
    or nobody asked anything, or patience has run out.
    """
    guards = (_errors(challenger, champion), _latency(plan, challenger, champion))
    if any(guard.finding == "fail" for guard in guards):
        return StepDecision(action="abort", reasons=guards)
    waiting = _enough(plan, seconds, challenger, asked, weight, unseen_seconds)
    if waiting.finding == "fail":
        return StepDecision(action="abort", reasons=(*guards, waiting))
    return StepDecision(action="advance" if waiting.finding == "pass" else "hold", reasons=(*guards, waiting))


def _errors(challenger: VariantEvidence, champion: VariantEvidence) -> Reason:
    figures = {
        "challenger_requests": float(challenger.requests),
        "challenger_errors": float(challenger.errors),
        "champion_requests": float(champion.requests),
        "champion_errors": float(champion.errors),
    }
    seen = f"challenger failed {challenger.errors} of {challenger.requests} requests"
    if champion.requests:
        p = more_failures_p(challenger, champion)
        text = f"{seen}, champion {champion.errors} of {champion.requests} (p = {p:.2g})"
        return Reason(rule="errors", finding="fail" if p < ALPHA else "pass", text=text, figures=figures | {"p": p})
    bad = challenger.errors >= 5 and challenger.errors > ALONE_ERROR_SHARE * challenger.requests
    return Reason(rule="errors", finding="fail" if bad else "pass", text=seen, figures=figures)


def _latency(plan: RolloutPlan, challenger: VariantEvidence, champion: VariantEvidence) -> Reason:
    a, b = challenger.p99_ms, champion.p99_ms
    enough = max(plan.min_requests, P99_REQUESTS)
    if a is None or b is None or min(challenger.requests, champion.requests) < enough:
        return Reason(rule="latency", finding="pass", text="too few requests to compare p99 latency yet")
    slow = a > plan.max_latency_ratio * b and a - b > 5.0
    text = f"challenger's p99 latency is {a:.1f} ms, champion's {b:.1f} ms (limit: {plan.max_latency_ratio:g} times)"
    figures = {"challenger_p99_ms": a, "champion_p99_ms": b}
    return Reason(rule="latency", finding="fail" if slow else "pass", text=text, figures=figures)


def _enough(
    plan: RolloutPlan, seconds: float, challenger: VariantEvidence, asked: int, weight: int, unseen_seconds: float
) -> Reason:
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
    if challenger.requests == 0 and (1 - weight / 100) ** asked < ALPHA:
        return reason("fail", f"none of {asked} requests reached the challenger: no server serves it")
    return reason("pass", f"patience ran out with {answered} of {plan.min_requests} requests, none against")


def more_failures_p(challenger: VariantEvidence, champion: VariantEvidence) -> float:
    """One-sided p-value of the challenger failing more often: Fisher's exact test on the two counts.

    The hypergeometric tail, summed in logarithms (Agresti, Categorical Data Analysis, 3rd ed., section 3.5.1).
    """
    n1, n2 = challenger.requests, champion.requests
    failures = challenger.errors + champion.errors
    if n1 == 0 or failures == 0:
        return 1.0
    whole = _log_choose(n1 + n2, failures)
    last = min(n1, failures)
    tail = [
        _log_choose(n1, k) + _log_choose(n2, failures - k) - whole
        for k in range(challenger.errors, last + 1)
        if failures - k <= n2
    ]
    return min(1.0, math.fsum(math.exp(value) for value in tail))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
