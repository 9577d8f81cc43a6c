"""Events: what has happened, newest first or as it happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from loopwright.api.asking import Here, Limit, OfModel
from loopwright.bootstrap.platform import Platform
from loopwright.core.codec import to_json
from loopwright.core.event import Event
from loopwright.state.outbox import recent

router = APIRouter(tags=["events"])

LOOK_EVERY = 1.0
_SPAN = 200


@router.get("/events")
def list_events(platform: Here, model: OfModel, limit: Limit = 50) -> list[Event]:
    """What has happened, newest first."""
    return recent(platform.state, model=model, limit=limit)


@router.get("/events/stream", response_class=StreamingResponse)
async def stream_events(platform: Here, model: str | None = None) -> StreamingResponse:
    """What happens from now on, of a model that may be yet to come too, as server-sent events: `event` is its kind,
    `data` the event as JSON.
    """
    seen = await _latest(platform, model)
    return StreamingResponse(_told(platform, model, seen), media_type="text/event-stream")


async def _told(platform: Platform, model: str | None, seen: dict[str, Event]) -> AsyncIterator[bytes]:
    yield b": listening\n\n"
    while True:
        await asyncio.sleep(LOOK_EVERY)
        found = await _latest(platform, model)
        for event in reversed([event for name, event in found.items() if name not in seen]):
            yield f"id: {event.id}\nevent: {event.kind}\ndata: ".encode() + to_json(event) + b"\n\n"
        seen = found


async def _latest(platform: Platform, model: str | None) -> dict[str, Event]:
    events = await run_in_threadpool(recent, platform.state, model=model, limit=_SPAN)
    return {event.id: event for event in events}
