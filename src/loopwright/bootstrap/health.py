"""A model's health report with all that the platform knows of it: the same at the command line and over HTTP."""

from __future__ import annotations

from datetime import datetime

from loopwright.bootstrap.performance import live_performance
from loopwright.bootstrap.platform import Platform
from loopwright.monitoring.history import Asked
from loopwright.monitoring.report import HealthReport, health_report
from loopwright.policies.retraining import Drift
from loopwright.retraining.records import RetrainRequest


def model_health(
    platform: Platform, model: str, since: datetime, *, drift: Drift | None = None, window: str = "1d"
) -> HealthReport:
    """The report of `model` from `since` on. `drift` is how it is watched, `window` how long a row of performance is.

    Raises `NotFoundError` where nothing is known of the model, and `RequestError` where `window` is no length.
    """
    seconds = (platform.clock.now() - since).total_seconds()
    settings = platform.settings
    return health_report(
        model,
        platform.monitors,
        since=since,
        performance=live_performance(platform, model, since=f"{seconds:f}s", window=window),
        drift=drift,
        requests_to_retrain=map(_asked, platform.retraining.requests(model, limit=500)),
        core_hour_price=settings.core_hour_price,
        currency=settings.currency,
    )


def _asked(request: RetrainRequest) -> Asked:
    return Asked(
        at=request.requested,
        by=request.actor if request.trigger == "manual" else request.trigger.replace("_", " "),
        because=request.reason,
        status=request.status,
        words=request.decision.because() if request.decision else "",
        run=request.run,
    )
