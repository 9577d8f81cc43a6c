"""Outcomes: the ground truth of predictions served earlier, as it comes to be known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from loopwright.api.asking import Here
from loopwright.errors import NotFoundError
from loopwright.rollout import ledger
from loopwright.traffic.outcomes import Outcome, encode_outcomes, outcomes_key

router = APIRouter(tags=["outcomes"])


class OutcomeGiven(BaseModel):
    """What turned out for one prediction. `at` is when it was known; now, where it is not said."""

    model_config = ConfigDict(extra="forbid")

    prediction_id: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,140}$")]
    value: float | bool | str
    at: datetime | None = None


class OutcomesGiven(BaseModel):
    """Outcomes of one endpoint's predictions, 10,000 at most at a time."""

    model_config = ConfigDict(extra="forbid")

    endpoint: str
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
        raise NotFoundError(f"no endpoint is called {given.endpoint!r}", remedy="/api/v1/endpoints lists them")
    now = platform.clock.now()
    data = encode_outcomes(
        Outcome(endpoint=given.endpoint, prediction_id=one.prediction_id, value=one.value, at=one.at or now)
        for one in given.outcomes
    )
    key = outcomes_key(given.endpoint, now, data)
    platform.storage.create(key, data)
    return OutcomesKept(kept=len(given.outcomes), key=key)
