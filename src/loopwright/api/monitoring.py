"""What the monitors found, and the alerts that came of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from loopwright.api.asking import Here, Limit, OfModel
from loopwright.monitoring.records import Alert, Finding, FindingKind

router = APIRouter(tags=["monitoring"])


@router.get("/findings")
def list_findings(
    platform: Here,
    model: OfModel = None,
    kind: Annotated[FindingKind | None, Query(description="Only of this kind.")] = None,
    limit: Limit = 50,
) -> list[Finding]:
    """What windows of traffic showed, newest first."""
    return platform.monitors.findings(model, kind=kind, limit=limit)


@router.get("/alerts")
def list_alerts(
    platform: Here,
    model: OfModel = None,
    open_only: Annotated[bool, Query(alias="open", description="Only those that are open.")] = False,
    limit: Limit = 50,
) -> list[Alert]:
    """Alerts, newest first."""
    return platform.monitors.alerts(model, open_only=open_only, limit=limit)
