"""Who may come in: a token where one is set, no foreign host names where none is, no orders from other sites' pages.

Clients show the token as `Authorization: Bearer`; a browser, which cannot, is asked for a user name (any) and a
password (the token) by HTTP Basic, and MLflow's own client may use either (`MLFLOW_TRACKING_TOKEN`, or
`MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`). `/healthz` answers to anybody.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from loopwright.api.problems import Problem, plain_problem, respond
from loopwright.errors import SettingsError
from loopwright.serving.options import LOOPBACK
from loopwright.settings import Settings

OPEN_TO_ALL = "/healthz"
_SAFE = ("GET", "HEAD", "OPTIONS")


def check_token(settings: Settings) -> None:
    """Raises `SettingsError` where the control API would listen beyond loopback without a token."""
    if settings.host not in LOOPBACK and not settings.token:
        raise SettingsError(
            f"the control API would listen on {settings.host} with no token",
            remedy="set `token` (best as LOOPWRIGHT_TOKEN), or listen on 127.0.0.1",
        )


class Guard:
    """ASGI middleware before everything, MLflow included."""

    def __init__(self, app: ASGIApp, token: str = "") -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.detail})
        else:
            asked = {"www-authenticate": 'Basic realm="loopwright", charset="UTF-8"'}
            await respond(refusal, asked if refusal.status == 401 else None)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Problem | None:
        if scope["path"] == OPEN_TO_ALL:
            return None
        headers = Headers(scope=scope)
        return self._stranger(headers) or _foreign_page(scope.get("method", "websocket"), headers)

    def _stranger(self, headers: Headers) -> Problem | None:
        if not self._token:
            return _foreign_name(headers.get("host", ""))
        if hmac.compare_digest(_shown(headers.get("authorization", "")), self._token):
            return None
        return plain_problem(
            401, "this platform asks for its token", "send `Authorization: Bearer <token>`, or the token as a password"
        )


def _shown(authorization: str) -> bytes:
    """The token that a request shows; empty where it shows none."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip().encode("latin-1")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(rest, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""


def _foreign_name(host: str) -> Problem | None:
    """Without a token only local names are answered: a page elsewhere could let its own name lead here."""
    if (_name(f"//{host}") or "") in LOOPBACK:
        return None
    return plain_problem(
        421, f"this platform does not answer as {host!r}", "call it 127.0.0.1 or localhost, or set a token"
    )


def _foreign_page(method: str, headers: Headers) -> Problem | None:
    """Browsers say which site's page makes them send; what changes anything must come from ours or from no page."""
    origin = headers.get("origin")
    if method in _SAFE or origin is None or urlsplit(origin).netloc == headers.get("host"):
        return None
    return plain_problem(403, f"a page of {origin} may not give orders here", "use the API from a program instead")


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
