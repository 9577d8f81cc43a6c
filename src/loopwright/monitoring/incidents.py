"""What is news to people: from findings, runs and rollouts to the alert they open, or the words that close it."""

from __future__ import annotations

from loopwright.core.ids import derived_id
from loopwright.monitoring.records import Alert, Finding
from loopwright.monitoring.rules import severity
from loopwright.rollout.records import Rollout
from loopwright.runs.records import Run

News = Alert | str | None
"""An alert to open if none of its rule is open; or why an open one is over; or nothing either way."""

GUARDS = ("errors", "latency", "enough")
"""The reasons for which a rollout aborts by itself; a person who aborted one knows."""


def finding_news(finding: Finding) -> News:
    """A failed finding opens its kind's alert; a judged one that passed closes it."""
    text = finding.decision.because()
    if finding.passed:
        return text if finding.judged else None
    what = {"drift": "traffic has drifted", "quality": "inputs are broken", "errors": "requests fail"}
    return Alert(
        id=derived_id("alert", finding.id),
        model=finding.model,
        rule=finding.kind,
        severity=severity(finding),
        title=f"{finding.model} version {finding.version}: {what.get(finding.kind, 'answers take long')}",
        text=text,
        evidence=finding.id,
        version=finding.version,
        opened=finding.at,
    )


def run_news(run: Run) -> News:
    """A run that failed or was refused opens an alert; one that succeeded closes it."""
    if run.status == "succeeded":
        return f"{run.id} succeeded"
    if run.status not in ("failed", "refused") or run.finished is None:
        return None
    return Alert(
        id=derived_id("alert", run.id, run.attempt),
        model=run.model,
        rule="run",
        severity="critical" if run.status == "failed" else "warning",
        title=f"{run.model}: a run {'failed' if run.status == 'failed' else 'was refused'}",
        text=f"{run.id}: {run.summary}",
        evidence=run.id,
        opened=run.finished,
    )


def rollout_news(rollout: Rollout) -> News:
    """A rollout that its guards aborted opens an alert; a promotion closes it."""
    if rollout.status == "promoted":
        return f"version {rollout.version} was promoted"
    failed = [reason.text for reason in rollout.reasons if reason.finding == "fail" and reason.rule in GUARDS]
    if rollout.status != "aborted" or rollout.finished is None or not failed:
        return None
    return Alert(
        id=derived_id("alert", rollout.id),
        model=rollout.model,
        rule="rollout",
        severity="warning",
        title=f"{rollout.model}: the rollout of version {rollout.version} was aborted",
        text="; ".join(failed),
        evidence=rollout.id,
        opened=rollout.finished,
    )
