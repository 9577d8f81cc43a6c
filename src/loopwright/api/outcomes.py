"""Outcomes: the ground truth of predictions served earlier, as it comes to be known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from loopwright.api.asking import NAME, Here
from loopwright.bootstrap.known import unknown
from loopwright.outcomes.telling import record_outcomes
from loopwright.rollout import ledger
from loopwright.traffic.outcomes import Outcome

router = APIRouter(tags=["outcomes"])


class OutcomeGiven(BaseModel):
    """What came true of one prediction, named by its id or by the row's key. `at` is since when it is known; now."""

    model_config = ConfigDict(extra="forbid")

    value: float | bool | str
    at: AwareDatetime | None = None
    prediction_id: str | None = Field(default=None, min_length=1, max_length=140)
    key: str | None = Field(default=None, min_length=1, max_length=200)


class OutcomesGiven(BaseModel):
    """Outcomes of one endpoint's predictions, 10,000 at most at a time."""

    model_config = ConfigDict(extra="forbid")

    endpoint: Annotated[str, Field(pattern=NAME)]
    outcomes: Annotated[list[OutcomeGiven], Field(min_length=1, max_length=10_000)]


@dataclass(frozen=True, kw_only=True, slots=True)
class OutcomesKept:
    """How many outcomes are kept under which key of the object store."""

    kept: int
    key: str


@router.post("/outcomes", status_code=201)
def keep_outcomes(given: OutcomesGiven, platform: Here) -> OutcomesKept:
    """Keep outcomes. The same ones again, with the same times, are kept once; a later one corrects an earlier."""
    if ledger.newest(platform.storage, given.endpoint) is None:
        raise unknown("endpoint", given.endpoint, ledger.endpoints(platform.storage))
    now = platform.clock.now()
    outcomes = [
        Outcome(
            endpoint=given.endpoint,
            value=one.value,
            at=one.at or now,
            prediction_id=one.prediction_id,
            key=one.key,
        )
        for one in given.outcomes
    ]
    key = record_outcomes(platform.storage, outcomes, now)
    assert key is not None  # only where there are none
    return OutcomesKept(kept=len(outcomes), key=key)
