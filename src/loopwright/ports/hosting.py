"""Where endpoints are served: the laptop's own inference server, pods, SageMaker."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Hosting(Protocol):
    """Brings endpoints up. What an endpoint serves is its newest revision in the object store, not said here."""

    def reach(self, endpoint: str) -> AbstractContextManager[str]:
        """The base URL at which `endpoint` answers while the context lasts.

        A host that already serves it gives its address; otherwise a server is brought up for as long as the context
        lasts. Raises `HostingError` when it does not come up.
        """
