"""MLflow beside the control API: it takes seconds to import, so it comes when it has, and nobody waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from loopwright.bootstrap.platform import Platform, load_adapter

log = logging.getLogger("loopwright.control")

Mounted = tuple[ASGIApp, AbstractAsyncContextManager[None]]
"""An application, and the context to hold while it answers."""


def mount_mlflow(platform: Platform) -> Mounted | None:
    """What is to answer below `/mlflow`: our own MLflow, the way to somebody else's, or nothing where it is off."""
    settings = platform.settings
    if settings.tracking == "off":
        return None
    url = settings.tracking_url(platform.root)
    if platform.mlflow_elsewhere:
        return RedirectResponse(_without_password(url)), nullcontext()

    def make() -> Mounted:
        made: Mounted = load_adapter("loopwright.adapters.mlflow.app").mlflow_app(
            url, platform.mlflow_artifacts, allowed_hosts=("*",) if settings.token else ()
        )
        return made

    late = LateMlflow(make)
    return late, late.serving()


class LateMlflow:
    """An ASGI application that says 503 until what `make` makes, in a thread of its own, is there to answer."""

    def __init__(self, make: Callable[[], Mounted]) -> None:
        self._make = make
        self._application: ASGIApp = PlainTextResponse("MLflow is starting\n", 503, {"retry-after": "2"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application(scope, receive, send)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Hold this while it answers."""
        over = asyncio.Event()
        task = asyncio.create_task(self._serve(over))
        try:
            yield
        finally:
            over.set()
            await task

    async def _serve(self, over: asyncio.Event) -> None:
        try:
            application, serving = await asyncio.to_thread(self._make)
        except Exception as error:
            log.exception("MLflow does not start")
            self._application = PlainTextResponse(f"MLflow does not start: {error}\n", 503)
            return
        async with serving:
            self._application = application
            await over.wait()


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
