"""What granian hands to a worker, as types."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Protocol

from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]

__all__ = ["HTTPProtocol", "Headers", "ProtocolClosed", "Scope"]


class Headers(Protocol):
    """Request headers, by lower-case name."""

    def get(self, key: str, default: str | None = None) -> str | None: ...


class Scope(Protocol):
    """A request, but for its body."""

    method: str
    path: str

    @property
    def headers(self) -> Headers: ...


class HTTPProtocol(Protocol):
    """The body, read whole by a call or in chunks by iteration; the way to answer; and when the client has left."""

    def __call__(self) -> Awaitable[bytes]: ...

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def client_disconnect(self) -> Awaitable[None]: ...

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None: ...
