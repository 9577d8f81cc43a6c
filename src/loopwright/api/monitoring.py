"""What the monitors found, and the alerts that came of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from loopwright.api.asking import Here, Limit, Name, OfModel, Order
from loopwright.bootstrap.known import known
from loopwright.bootstrap.performance import live_performance
from loopwright.bootstrap.traffic_drift import traffic_drift
from loopwright.errors import NotFoundError
from loopwright.monitoring.records import (
    ANY,
    Alert,
    DriftReport,
    Finding,
    FindingKind,
    PerformanceReport,
    RuleName,
    Silence,
    ToldNotice,
)

router = APIRouter(tags=["monitoring"])


LONG = CapacityLimiter(1)
"""For what takes memory and seconds: one at a time, in a thread beside those that all other answers share."""


class SilenceOrder(Order):
    """What nobody is to be told of, for how long, and why."""

    model: str = Field(description='The model; "*": any.')
    rule: RuleName | None = Field(default=None, description="Only alerts of this rule.")
    seconds: float = Field(gt=0, le=31_536_000, description="How long.")


@router.get("/findings")
def list_findings(
    platform: Here,
    model: OfModel,
    kind: Annotated[FindingKind | None, Query(description="Only of this kind.")] = None,
    limit: Limit = 50,
) -> list[Finding]:
    """What windows of traffic showed, newest first."""
    return platform.monitors.findings(model, kind=kind, limit=limit)


@router.get("/findings/{finding}")
def get_finding(finding: str, platform: Here) -> Finding:
    """One finding."""
    return platform.monitors.finding(finding)


@router.get("/alerts")
def list_alerts(
    platform: Here,
    model: OfModel,
    open_only: Annotated[bool, Query(alias="open", description="Only those that are open.")] = False,
    limit: Limit = 50,
) -> list[Alert]:
    """Alerts, newest first."""
    return platform.alerting.alerts(model, open_only=open_only, limit=limit)


@router.get("/alerts/{alert}")
def get_alert(alert: str, platform: Here) -> Alert:
    """One alert."""
    return platform.alerting.get(alert)


@router.post("/alerts/{alert}/acknowledge")
def acknowledge_alert(alert: str, platform: Here, order: Order | None = None) -> Alert:
    """Write down that somebody sees to it: nobody is reminded of it any more."""
    asked = order or Order()
    return platform.alerting.acknowledge(alert, actor=asked.by(platform), reason=asked.reason)


@router.get("/silences")
def list_silences(
    platform: Here,
    model: OfModel,
    all_: Annotated[bool, Query(alias="all", description="Those that are over, too.")] = False,
    limit: Limit = 50,
) -> list[Silence]:
    """Silences in force, newest first."""
    return platform.alerting.silences(model, all_=all_, limit=limit)


@router.post("/silences", status_code=201)
def add_silence(order: SilenceOrder, platform: Here) -> Silence:
    """Tell nobody of a model's alerts for a while; what is still open then is told then."""
    length = timedelta(seconds=order.seconds)
    model = order.model if order.model == ANY else known(platform, order.model)
    return platform.alerting.silence(model, order.rule, length=length, actor=order.by(platform), reason=order.reason)


@router.post("/silences/{silence}/lift")
def lift_silence(silence: str, platform: Here, order: Order | None = None) -> Silence:
    """End a silence now: what is open is told."""
    return platform.alerting.lift(silence, actor=(order or Order()).by(platform))


@router.get("/notices")
def list_notices(platform: Here, limit: Limit = 50) -> list[ToldNotice]:
    """What was told, newest first, and how it got to each destination."""
    return platform.alerting.notices(limit)


@router.get("/models/{model}/performance")
def get_performance(
    model: Name,
    platform: Here,
    since: Annotated[str, Query(description="How far to look back, such as 12h, 7d or 4w.")] = "30d",
    window: Annotated[str, Query(description="How long a window is.")] = "1d",
    as_of: Annotated[AwareDatetime | None, Query(description="Count only what was known then.")] = None,
) -> PerformanceReport:
    """How well each version predicted: on the labels that have come, corrected for those that have not, and estimated
    without any.
    """
    if not platform.registry.versions(model):
        raise NotFoundError(f"no model {model} has a version", remedy="/api/v1/models lists them")
    return live_performance(platform, model, since=since, window=window, as_of=as_of)


@router.get("/models/{model}/drift")
async def get_drift(
    model: Name,
    platform: Here,
    since: Annotated[str, Query(description="How far to look back, such as 12h, 7d or 4w.")] = "1d",
    exact: Annotated[bool, Query(description="Captured rows one by one, not their counts: takes seconds.")] = False,
) -> DriftReport:
    """How far the champion's traffic is from the rows that it was tested on."""

    def look() -> DriftReport:
        return traffic_drift(platform, known(platform, model), since=since, exact=exact)

    return await run_sync(look, limiter=LONG if exact else None)
