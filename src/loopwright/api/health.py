"""Whether the platform is alive and ready, and which version it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter
from starlette.responses import Response

from loopwright import __version__
from loopwright.api.asking import Here
from loopwright.api.problems import plain_problem, respond
from loopwright.bootstrap.platform import Platform
from loopwright.errors import LoopwrightError

router = APIRouter(tags=["health"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Alive:
    """It answers."""

    status: Literal["alive"] = "alive"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """What it leans on answers too."""

    status: Literal["ready"] = "ready"


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """Which Loopwright this is, for which project, and where its other doors are (`mlflow` None: turned off)."""

    version: str
    project: str
    inference: str
    mlflow: str | None


@router.get("/healthz")
async def healthz() -> Alive:
    """Alive: this process answers. Open to anybody."""
    return Alive()


@router.get("/readyz", response_model=Ready)
def readyz(platform: Here) -> Ready | Response:
    """Ready: the state database and the object store answer. 503 names what does not."""
    troubles = [trouble for look in (_state, _storage) if (trouble := _asked(look, platform))]
    return respond(plain_problem(503, "; ".join(troubles))) if troubles else Ready()


@router.get("/version")
async def version(platform: Here) -> Version:
    """Which Loopwright this is, for which project."""
    settings = platform.settings
    return Version(
        version=__version__,
        project=platform.root.name,
        inference=platform.inference_url,
        mlflow=None if settings.tracking == "off" else "/mlflow/",
    )


def _asked(look: object, platform: Platform) -> str:
    try:
        look(platform)  # type: ignore[operator]
    except LoopwrightError as error:
        return error.message
    return ""


def _state(platform: Platform) -> None:
    platform.journal.count()


def _storage(platform: Platform) -> None:
    next(iter(platform.storage.list("endpoints/")), None)
