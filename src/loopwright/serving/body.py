"""A request's body, within bounds."""

from __future__ import annotations

from loopwright.errors import RequestError
from loopwright.serving.rsgi import HTTPProtocol, Scope


class BodyTooLargeError(RequestError):
    """The body is larger than this server takes."""


async def read_body(scope: Scope, proto: HTTPProtocol, limit: int) -> bytes:
    """The body's bytes. Raises `BodyTooLargeError` before more than `limit` bytes are in memory."""
    declared = scope.headers.get("content-length")
    if declared is not None:
        if int(declared) > limit:
            raise _too_large(limit)
        return await proto()
    chunks, size = [], 0
    async for chunk in proto:
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"the body is larger than {limit:,} bytes", remedy="send fewer rows at once, or use batch")
