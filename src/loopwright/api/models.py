"""Models and their versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import HTMLResponse, Response

from loopwright.api.asking import Here, Limit, Name, Offset, Page
from loopwright.bootstrap.health import model_health
from loopwright.bootstrap.known import known, known_models
from loopwright.bootstrap.platform import Platform
from loopwright.bootstrap.traffic_drift import declared_drift
from loopwright.monitoring.page import to_html
from loopwright.monitoring.report import HealthReport
from loopwright.registry.records import ModelVersion
from loopwright.rollout.records import Rollout
from loopwright.runs.records import Run

router = APIRouter(tags=["models"])

Days = Annotated[float, Query(gt=0, le=366, description="How far to look back.")]


class Markdown(Response):
    """Text for people, to be rendered."""

    media_type = "text/markdown"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelState:
    """A model as it stands. `aliases` are what its endpoint serves: version numbers by `champion`, `challenger`.

    `declaration` is what the project's files said of it when the platform last read them, None where no file declares
    it any more; `file` is the one that does.
    """

    name: str
    file: str | None
    declaration: dict[str, Any] | None
    versions: int
    aliases: dict[str, int]
    rollout: Rollout | None
    last_run: Run | None


@router.get("/models")
def list_models(platform: Here) -> list[ModelState]:
    """Every model that is declared, or that has left a version, a run or an endpoint."""
    return [_state(platform, name) for name in known_models(platform)]


@router.get("/models/{model}")
def get_model(model: Name, platform: Here) -> ModelState:
    """One model as it stands."""
    return _state(platform, known(platform, model))


@router.get("/models/{model}/versions")
def list_versions(model: Name, platform: Here, limit: Limit = 50, offset: Offset = 0) -> Page[ModelVersion]:
    """A model's versions, newest first."""
    versions = platform.registry.versions(known(platform, model))
    return Page(items=versions[offset : offset + limit], total=len(versions), limit=limit, offset=offset)


@router.get("/models/{model}/versions/{number}")
def get_version(model: Name, number: int, platform: Here) -> ModelVersion:
    """One version."""
    return platform.registry.get(model, number)


@router.get("/models/{model}/versions/{number}/card", response_class=Markdown)
def get_card(model: Name, number: int, platform: Here) -> Markdown:
    """The version's model card, in Markdown."""
    version = platform.registry.get(model, number)
    return Markdown(platform.storage.get(f"{version.folder}/card.md"))


@router.get("/models/{model}/health")
def get_health(model: Name, platform: Here, days: Days = 7.0) -> HealthReport:
    """What there is to say of the model's last days: traffic, drift, findings, alerts, versions, rollouts, runs."""
    return _health(platform, model, days)


@router.get("/models/{model}/health.html", response_class=HTMLResponse)
def get_health_page(model: Name, platform: Here, days: Days = 7.0) -> HTMLResponse:
    """The same as a page that needs nothing beside it."""
    return HTMLResponse(to_html(_health(platform, model, days)))


def _health(platform: Platform, model: str, days: float) -> HealthReport:
    since = platform.clock.now() - timedelta(days=days)
    return model_health(platform, model, since, drift=declared_drift(platform, model))


def _state(platform: Platform, name: str) -> ModelState:
    declared = next((one for one in platform.declared if one.name == name), None)
    return ModelState(
        name=name,
        file=declared.file if declared else None,
        declaration=declared.declaration if declared else None,
        versions=len(platform.registry.versions(name)),
        aliases=platform.rollouts.aliases(name),
        rollout=platform.rollouts.active(name),
        last_run=next(iter(platform.journal.runs(model=name, limit=1)), None),
    )
