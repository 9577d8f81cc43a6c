"""Who may ask what: the server's bearer token opens everything, an endpoint's own that endpoint and its staging."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from loopwright.core.ids import of_endpoint


class Tokens:
    """What clients must show. An endpoint without a token of its own is as open as the server."""

    def __init__(self, server: str | None, endpoints: Mapping[str, str]) -> None:
        self._server = _shown(server) if server else None
        self._endpoints = {name: _shown(token) for name, token in endpoints.items()}

    def allow(self, authorization: str | None, endpoint: str | None) -> bool:
        """Whether who shows this `Authorization` may ask `endpoint`; None is the server itself: its status, figures."""
        # What is staged is the same model: it must not be open where the endpoint is not.
        own = None if endpoint is None else of_endpoint(self._endpoints, endpoint)
        accepted = [one for one in (self._server, own) if one is not None]
        given = (authorization or "").encode("utf-8", "replace")
        # A comparison's time does not tell how much of it was right.
        return not accepted or any(hmac.compare_digest(given, one) for one in accepted)


def make_tokens(server: str | None, endpoints: Mapping[str, str]) -> Tokens | None:
    """None where nobody has to show anything."""
    return Tokens(server, endpoints) if server or endpoints else None


def _shown(token: str) -> bytes:
    return f"Bearer {token}".encode()
