"""Where endpoints are served: the laptop's own inference server, pods, SageMaker."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import httpx


class Hosting(Protocol):
    """Brings endpoints up. What an endpoint serves is its newest revision in the object store, not said here."""

    def reach(self, endpoint: str) -> AbstractContextManager[httpx.Client]:
        """A client of the server at which `endpoint` answers while the context lasts: it knows the server's address,
        shows what has to be shown there, and trusts it.

        A host that already serves it is used; otherwise a server is brought up for as long as the context
        lasts. Raises `HostingError` when it does not come up.
        """
