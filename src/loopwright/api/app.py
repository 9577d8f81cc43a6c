"""The application: every router, the guard before them, MLflow beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from loopwright import __version__
from loopwright.api import (
    datasets,
    endpoints,
    events,
    health,
    models,
    monitoring,
    outcomes,
    retraining,
    rollouts,
    runs,
)
from loopwright.api.guard import Guard, check_token
from loopwright.api.problems import Problem, install_handlers
from loopwright.bootstrap.platform import Platform

Mlflow = tuple[ASGIApp, AbstractAsyncContextManager[None]]
"""What answers below `/mlflow`, and the context to hold while it does."""

ROUTERS = (models, runs, rollouts, endpoints, datasets, monitoring, retraining, outcomes, events)
PREFIX = "/api/v1"


def create_app(platform: Platform, *, mlflow: Mlflow | None = None) -> FastAPI:
    """The control API of a platform, with MLflow below `/mlflow` where it is given.

    Raises `SettingsError` where the settings would open it beyond loopback without a token.
    """
    check_token(platform.settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if mlflow is None:
            yield
            return
        async with mlflow[1]:
            yield

    app = FastAPI(
        title="Loopwright",
        version=__version__,
        description="The control API: models, runs, rollouts, endpoints, data, monitors.",
        lifespan=lifespan,
        responses={"default": {"model": Problem, "description": "What is wrong, and what to do about it."}},
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.platform = platform
    app.add_middleware(Guard, token=platform.settings.token)
    install_handlers(app)
    app.include_router(health.router)
    for door in ROUTERS:
        app.include_router(door.router, prefix=PREFIX)
    if mlflow is not None:
        app.mount("/mlflow", mlflow[0])
    _describe_problems(app)
    return app


def _describe_problems(app: FastAPI) -> None:
    """FastAPI can only describe answers of a route's own media type; ours for errors is another."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        document = described()
        for path in document["paths"].values():
            for operation in path.values():
                problem = operation["responses"]["default"]
                problem["content"] = {"application/problem+json": next(iter(problem["content"].values()))}
        return document

    app.openapi = openapi  # type: ignore[method-assign]
