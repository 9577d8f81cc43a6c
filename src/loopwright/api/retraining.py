"""Requests to train again: what triggers and people asked for, and what the governor said."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from loopwright.api.asking import Here, Limit, OfModel, Order
from loopwright.bootstrap.known import known
from loopwright.retraining.records import BreakerReset, RequestStatus, RetrainRequest

router = APIRouter(tags=["retraining"])


class RetrainOrder(Order):
    """A request to train again, for the governor to accept or refuse."""

    model: str = Field(description="The model's name.")
    force: bool = Field(default=False, description="Skip all the governor's rules but one run at a time.")


@router.get("/retrain-requests")
def list_retrain_requests(
    platform: Here,
    model: OfModel,
    status: Annotated[list[RequestStatus] | None, Query(description="Only those that stand so.")] = None,
    limit: Limit = 50,
) -> list[RetrainRequest]:
    """Requests, newest first, each with the governor's latest word."""
    return platform.retraining.requests(model, statuses=tuple(status or ()), limit=limit)


@router.get("/retrain-requests/{request}")
def get_retrain_request(request: str, platform: Here) -> RetrainRequest:
    """One request."""
    return platform.retraining.get(request)


@router.post("/retrain-requests/{request}/approve")
def approve_retrain_request(request: str, order: Order, platform: Here) -> RetrainRequest:
    """Let a request go on that waits for a person; the platform's next beat decides the rest."""
    return platform.retraining.approve(request, actor=order.by(platform))


@router.post("/models/{model}/breaker/reset")
def reset_breaker(model: str, order: Order, platform: Here) -> BreakerReset:
    """Close the breaker that runs which failed or were refused in a row have opened."""
    return platform.retraining.reset_breaker(known(platform, model), actor=order.by(platform))


@router.post("/retrain-requests", status_code=202)
def request_retrain(order: RetrainOrder, platform: Here) -> RetrainRequest:
    """Ask the governor; its answer is in the request (`status`, `decision`) after the platform's next beat."""
    return platform.retraining.ask(
        known(platform, order.model),
        actor=order.by(platform),
        reason=order.reason or "asked for by hand",
        force=order.force,
    )
