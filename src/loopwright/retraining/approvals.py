"""What waits for a person becomes an alert, which is over as soon as nothing waits any more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from loopwright.declare import Declaration
from loopwright.monitoring.alerts import restless, settle, was_counted
from loopwright.monitoring.incidents import Signal
from loopwright.retraining.records import RetrainRequest
from loopwright.rollout.records import Rollout
from loopwright.state.engine import State


def watch_approvals(
    state: State, declaration: Declaration, requests: Sequence[RetrainRequest], rollout: Rollout | None, now: datetime
) -> None:
    """Tell the model's rule `approval` of those of its open `requests`, or of its active `rollout`, that wait."""
    signal = waiting_signal(declaration.name, requests, rollout, now)
    if signal.passed and "approval" not in restless(state, declaration.name):
        return
    if not was_counted(state, signal):
        with state.write() as connection:
            settle(connection, signal, declaration.alerts)


def waiting_signal(model: str, requests: Sequence[RetrainRequest], rollout: Rollout | None, now: datetime) -> Signal:
    """Bad where something waits for a person (a rollout before a request), counted once; good where nothing does."""
    if rollout is not None and rollout.status == "awaiting_approval":
        return Signal(
            model=model,
            rule="approval",
            passed=False,
            title=f"{model}: version {rollout.version} waits for a person",
            text=f"`loopwright rollout approve {model}` lets it go on, `loopwright rollout abort {model}` ends it",
            evidence=rollout.id,
            at=now,
            once=f"{rollout.id} {rollout.step}",  # a shadow may wait before it begins and after it ended
        )
    waiting = next((one for one in requests if one.waits_for_approval), None)
    if waiting is not None:
        return Signal(
            model=model,
            rule="approval",
            passed=False,
            title=f"{model}: a retrain waits for a person",
            text=waiting.why(),
            evidence=waiting.id,
            at=now,
            once=f"{waiting.id} {waiting.decided}",
        )
    said = "nothing waits for a person any more"
    return Signal(model=model, rule="approval", passed=True, text=said, evidence="", at=now, once=f"none {now}")
