"""What a rule is told by findings, runs and rollouts, and when that opens or closes its alert."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from loopwright.monitoring.records import Finding, FindingKind, RuleName, Severity
from loopwright.monitoring.rules import severity
from loopwright.policies.alerts import AlertRule
from loopwright.rollout.records import Rollout
from loopwright.runs.records import Run

GUARDS = ("errors", "latency", "enough")
"""The reasons for which a rollout aborts by itself; a person who aborted one knows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Signal:
    """One window (or run, or rollout) as a rule sees it: good or bad, in words, and the id of what shows it.

    `once` names what is counted once, where that is not the evidence itself.
    """

    model: str
    rule: RuleName
    passed: bool
    text: str
    evidence: str
    at: datetime
    severity: Severity = "warning"
    title: str = ""
    version: int | None = None
    once: str = ""

    @property
    def key(self) -> str:
        return self.once or self.evidence


@dataclass(frozen=True, kw_only=True, slots=True)
class Streak:
    """How many signals in a row were bad or good, since `version` is champion; `last` is what was counted last."""

    failing: int = 0
    passing: int = 0
    version: int | None = None
    last: str = ""


def counted(streak: Streak, signal: Signal) -> Streak:
    """The streak with one signal more. Another version's begins anew."""
    here = streak if streak.version == signal.version else Streak(version=signal.version)
    if signal.passed:
        return replace(here, failing=0, passing=here.passing + 1, last=signal.key)
    return replace(here, failing=here.failing + 1, passing=0, last=signal.key)


def turn(streak: Streak, rule: AlertRule, *, is_open: bool) -> Literal["open", "close"] | None:
    """What the streak does to the rule's alert: hysteresis, so that what flickers is one incident, or none."""
    if is_open:
        return "close" if streak.passing >= rule.recover else None
    return "open" if streak.failing >= rule.after else None


def finding_signal(finding: Finding) -> Signal | None:
    """Nothing where the window had too little in it to be judged, and passed."""
    if finding.passed and not finding.judged:
        return None
    return Signal(
        model=finding.model,
        rule=finding.kind,
        passed=finding.passed,
        text=finding.decision.because(),
        evidence=finding.id,
        at=finding.at,
        severity="critical" if finding.kind == "performance" else severity(finding),
        title=f"{finding.model} version {finding.version}: {_WHAT[finding.kind]}",
        version=finding.version,
    )


def run_signal(run: Run) -> Signal | None:
    """Nothing of runs that were cancelled, or have not ended."""
    if run.status not in ("succeeded", "failed", "refused") or run.finished is None:
        return None
    return Signal(
        model=run.model,
        rule="run",
        passed=run.status == "succeeded",
        text=f"{run.id}: {run.summary or run.status}",
        evidence=run.id,
        at=run.finished,
        severity="critical" if run.status == "failed" else "warning",
        title=f"{run.model}: a run {'failed' if run.status == 'failed' else 'was refused'}",
        once=f"{run.id} {run.attempt}",
    )


def rollout_signal(rollout: Rollout) -> Signal | None:
    """Nothing of rollouts that a person ended."""
    failed = [reason.text for reason in rollout.reasons if reason.finding == "fail" and reason.rule in GUARDS]
    promoted, aborted = rollout.status == "promoted", rollout.status == "aborted" and bool(failed)
    if rollout.finished is None or not (promoted or aborted):
        return None
    return Signal(
        model=rollout.model,
        rule="rollout",
        passed=promoted,
        text=f"version {rollout.version} was promoted" if promoted else "; ".join(failed),
        evidence=rollout.id,
        at=rollout.finished,
        title=f"{rollout.model}: the rollout of version {rollout.version} was aborted",
    )


_WHAT: dict[FindingKind, str] = {
    "drift": "traffic has drifted",
    "joint": "rows are unlike the reference's",
    "performance": "predictions have become worse",
    "quality": "inputs are broken",
    "volume": "traffic is not what it usually is",
    "freshness": "no new rows come",
    "errors": "requests fail",
    "latency": "answers take long",
    "capture": "captures are lost",
}
