"""The governor: a pure function from a request and the state of things to accepted, refused, or not yet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from loopwright.core.calendar import frozen_until, parse_freeze, parse_zone
from loopwright.core.clock import parse_duration
from loopwright.core.decision import Decision, Finding, Reason
from loopwright.retraining.records import GovernorState, RequestStatus, RetrainRequest, RetrainTrigger
from loopwright.retraining.suspicion import suspicions
from loopwright.retraining.worth import try_out

WEEK = timedelta(days=7)
PATIENCE = timedelta(days=30)
"""How long a request waits for a person to approve it."""

SEEN: tuple[RetrainTrigger, ...] = ("new_data", "drift", "decay")
"""Triggers that see something of the champion: what they saw may be settled by the next one."""


def govern(request: RetrainRequest, state: GovernorState) -> Decision:
    """Whether the request becomes a run now. Passed: it does. A failed reason: it never will. Else it waits.

    What is seen of data or the model (`new_data`, `drift`, `decay`) waits while a run is under way, since that run may
    not have seen the cause; a schedule or a person asking during a run is refused as a duplicate. Cool-down, budget,
    breaker, a freeze and a rollout under way let a request wait, but a person gets an answer at once: refused. Suspect
    labels, the backtest and an approval that is asked for let anybody's wait. `force` skips all but one at a time.
    """
    rules = (_busy,) if request.force else (*GATES, try_out, _approval)
    reasons = tuple(reason for rule in rules if (reason := rule(request, state)) is not None)
    return Decision(passed=all(reason.finding == "pass" for reason in reasons), reasons=reasons)


def clear(request: RetrainRequest, state: GovernorState) -> bool:
    """Whether nothing stands in the request's way that is known without looking at rows: then it is worth looking."""
    if request.force:
        return False
    return all(reason.finding == "pass" for rule in GATES if (reason := rule(request, state)) is not None)


def status_after(decision: Decision) -> RequestStatus:
    """What a request is after the governor's word."""
    if decision.passed:
        return "accepted"
    return "refused" if decision.failures else "open"


def _busy(request: RetrainRequest, state: GovernorState) -> Reason:
    if state.busy is None:
        return Reason(rule="one_at_a_time", finding="pass", text=f"no run of {request.model} is under way")
    if request.trigger in SEEN:
        return Reason(rule="one_at_a_time", finding="warn", text=f"waits until {state.busy} ends")
    return Reason(rule="one_at_a_time", finding="fail", text=f"{state.busy} is already under way")


def _champion(request: RetrainRequest, state: GovernorState) -> Reason | None:
    if request.trigger not in SEEN or request.version is None:
        return None
    if request.version == state.champion:
        return Reason(rule="champion", finding="pass", text=f"version {request.version} is still champion")
    seen = "new rows were counted beside" if request.trigger == "new_data" else f"{request.trigger} was found of"
    text = f"{seen} version {request.version}, but the champion is now {state.champion or 'none'}"
    return Reason(rule="champion", finding="fail", text=text)


def _learnable(request: RetrainRequest, state: GovernorState) -> Reason | None:
    source = state.source
    if source is None:
        return None
    learner = state.learned.get(source.digest)
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
    if state.last_finished is None:
        return Reason(rule="cooldown", finding="pass", text="no run has ended yet")
    text = f"the last run ended at {_shown(state.last_finished)}, the cool-down of {state.policy.cooldown}"
    over = _over(state.last_finished, parse_duration(state.policy.cooldown), state.now)
    if over is None:
        return Reason(rule="cooldown", finding="pass", text=f"{text} is over")
    return _later(request, "cooldown", f"{text} lasts until {_shown(over)} UTC")


def _breaker(request: RetrainRequest, state: GovernorState) -> Reason | None:
    if state.failures < state.policy.breaker or state.last_failed is None:
        return None
    wait = breaker_wait(state)
    figures = {"failures": float(state.failures), "breaker": float(state.policy.breaker)}
    text = f"{state.failures} runs in a row failed or were refused, the last at {_shown(state.last_failed)}"
    over = _over(state.last_failed, wait, state.now)
    if over is None:
        text = f"{text}; after {_length(wait)} of waiting one more may try"
        return Reason(rule="breaker", finding="pass", text=text, figures=figures)
    asked = f"waits until {_shown(over)} UTC, or for `loopwright monitor breaker reset {request.model}`"
    return _later(request, "breaker", f"{text}: {asked}", figures)


def breaker_wait(state: GovernorState) -> timedelta:
    """How long the breaker stays open: twice the cool-down at first, twice as long with each further failure."""
    doublings = min(state.failures - state.policy.breaker + 1, 20)  # more would overflow where the cool-down is days
    longer: timedelta = parse_duration(state.policy.cooldown) * 2**doublings
    return min(longer, WEEK)


def _freeze(request: RetrainRequest, state: GovernorState) -> Reason | None:
    if not state.policy.freeze:
        return None
    zone = parse_zone(state.policy.zone)
    until = frozen_until(map(parse_freeze, state.policy.freeze), zone, state.now)
    if until is None:
        return Reason(rule="freeze", finding="pass", text="no freeze is on")
    local = f"{until.astimezone(zone):%Y-%m-%d %H:%M} {state.policy.zone}"
    return _later(request, "freeze", f"nothing is retrained in a freeze: this one is over at {local}")


def _budget(request: RetrainRequest, state: GovernorState) -> Reason:
    figures = {"runs": float(state.recent_runs), "per_week": float(state.policy.per_week)}
    text = f"{state.recent_runs} of {state.policy.per_week} runs in the last seven days"
    if state.recent_runs < state.policy.per_week:
        return Reason(rule="budget", finding="pass", text=text, figures=figures)
    return _later(request, "budget", f"the week's budget is used up: {text}", figures)


def _approval(request: RetrainRequest, state: GovernorState) -> Reason | None:
    doubts = [] if state.labels is None else suspicions(state.labels, state.backtest.jump if state.backtest else None)
    figures = {name: value for doubt in doubts for name, value in doubt.figures.items()}
    doubt = f"the new labels are suspect: {'; '.join(doubt.text for doubt in doubts)}" if doubts else ""
    always = state.policy.approval == "always" and request.trigger != "manual"
    if not doubt and not always:
        return None if state.labels is None else Reason(rule="approval", finding="pass", text="no label is suspect")
    if state.policy.approval == "never":
        return Reason(rule="approval", finding="pass", text=f"{doubt}; no approval is asked for", figures=figures)
    if request.approved_by is not None:
        text = "; ".join(filter(None, (doubt, f"{request.approved_by} has approved it")))
        return Reason(rule="approval", finding="pass", text=text, figures=figures)
    if state.now - request.requested > PATIENCE:
        text = "; ".join(filter(None, (doubt, f"nobody approved it within {PATIENCE.days} days")))
        return Reason(rule="approval", finding="fail", text=text, figures=figures)
    asked = f"waits for a person: `loopwright retrain --approve {request.id}`"
    return Reason(rule="approval", finding="warn", text="; ".join(filter(None, (doubt, asked))), figures=figures)


GATES = (_busy, _champion, _learnable, _rollout, _freeze, _cooldown, _breaker, _budget)
"""What is known without looking at rows."""


def _later(request: RetrainRequest, rule: str, text: str, figures: dict[str, float] | None = None) -> Reason:
    finding: Finding = "fail" if request.trigger == "manual" else "warn"
    return Reason(rule=rule, finding=finding, text=text, figures=figures or {})


def _over(since: datetime, wait: timedelta, now: datetime) -> datetime | None:
    """When `wait` after `since` is over; None where it is.

    A moment further ahead than the wait itself was written by a clock that has been set back since: nobody waits for
    it, or a clock that once was a year ahead would end all retraining for a year.
    """
    return since + wait if -wait <= now - since < wait else None


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _length(wait: timedelta) -> str:
    return f"{wait / timedelta(minutes=1):,.0f} minutes" if wait >= timedelta(minutes=1) else f"{wait.seconds} seconds"


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
