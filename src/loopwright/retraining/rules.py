"""The governor: a pure function from a request and the state of things to accepted, refused, or not yet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from loopwright.core.clock import parse_duration
from loopwright.core.decision import Decision, Finding, Reason
from loopwright.retraining.records import GovernorState, RequestStatus, RetrainRequest

WEEK = timedelta(days=7)


def govern(request: RetrainRequest, state: GovernorState) -> Decision:
    """Whether the request becomes a run now. Passed: it does. A failed reason: it never will. Else it waits.

    What data asks for (`new_data`, `drift`) waits while a run is under way, since that run may not have seen the cause;
    a schedule or a person asking during a run is refused as a duplicate. Cool-down, budget and a rollout under way let
    a request wait, but a person gets an answer at once: refused. `force` skips all but one at a time.
    """
    rules = (_busy,) if request.force else (_busy, _champion, _learnable, _rollout, _cooldown, _budget)
    reasons = tuple(reason for rule in rules if (reason := rule(request, state)) is not None)
    return Decision(passed=all(reason.finding == "pass" for reason in reasons), reasons=reasons)


def status_after(decision: Decision) -> RequestStatus:
    """What a request is after the governor's word."""
    if decision.passed:
        return "accepted"
    return "refused" if decision.failures else "open"


def _busy(request: RetrainRequest, state: GovernorState) -> Reason:
    if state.busy is None:
        return Reason(rule="one_at_a_time", finding="pass", text=f"no run of {request.model} is under way")
    if request.trigger in ("new_data", "drift"):
        return Reason(rule="one_at_a_time", finding="warn", text=f"waits until {state.busy} ends")
    return Reason(rule="one_at_a_time", finding="fail", text=f"{state.busy} is already under way")


def _champion(request: RetrainRequest, state: GovernorState) -> Reason | None:
    if request.trigger != "drift" or request.version is None:
        return None
    if request.version == state.champion:
        return Reason(rule="champion", finding="pass", text=f"version {request.version} is still champion")
    text = f"drift was found of version {request.version}, but the champion is now {state.champion or 'none'}"
    return Reason(rule="champion", finding="fail", text=text)


def _learnable(request: RetrainRequest, state: GovernorState) -> Reason | None:
    source = state.source
    if source is None:
        return None
    learner = (state.learned or {}).get(source.digest)
    if learner is not None:
        text = f"nothing to learn: {learner} learned from the same {source.rows} rows (dataset {source.digest[:12]})"
        return Reason(rule="new_rows", finding="fail", text=text, figures={"rows": float(source.rows)})
    if (
        source.newest is not None
        and state.champion_until is not None
        and not newer(source.newest, state.champion_until)
    ):
        text = (
            f"nothing to learn: the newest labelled row is of {source.newest}, "
            f"and version {state.champion} has learned up to {state.champion_until}"
        )
        return Reason(rule="new_rows", finding="fail", text=text)
    text = f"dataset {source.digest[:12]} with {source.rows} rows has not been learned from"
    return Reason(rule="new_rows", finding="pass", text=text, figures={"rows": float(source.rows)})


def _rollout(request: RetrainRequest, state: GovernorState) -> Reason:
    if state.rollout is None:
        return Reason(rule="rollout", finding="pass", text="no rollout is under way")
    return _later(request, "rollout", f"{state.rollout} is under way")


def _cooldown(request: RetrainRequest, state: GovernorState) -> Reason:
    needed = parse_duration(state.policy.cooldown)
    if state.last_finished is None:
        return Reason(rule="cooldown", finding="pass", text="no run has ended yet")
    over = state.last_finished + needed
    text = f"the last run ended at {state.last_finished:%Y-%m-%d %H:%M:%S}, the cool-down of {state.policy.cooldown}"
    if state.now >= over:
        return Reason(rule="cooldown", finding="pass", text=f"{text} is over")
    return _later(request, "cooldown", f"{text} lasts until {over:%Y-%m-%d %H:%M:%S} UTC")


def _budget(request: RetrainRequest, state: GovernorState) -> Reason:
    figures = {"runs": float(state.recent_runs), "per_week": float(state.policy.per_week)}
    text = f"{state.recent_runs} of {state.policy.per_week} runs in the last seven days"
    if state.recent_runs < state.policy.per_week:
        return Reason(rule="budget", finding="pass", text=text, figures=figures)
    return _later(request, "budget", f"the week's budget is used up: {text}", figures)


def _later(request: RetrainRequest, rule: str, text: str, figures: dict[str, float] | None = None) -> Reason:
    finding: Finding = "fail" if request.trigger == "manual" else "warn"
    return Reason(rule=rule, finding=finding, text=text, figures=figures or {})


def newer(found: str, than: str) -> bool:
    """Whether a value of the time column lies after another: as moments, else as numbers, else as text."""
    for read in (_moment, float):
        try:
            return bool(read(found) > read(than))
        except ValueError:
            continue
    return found > than


def _moment(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
