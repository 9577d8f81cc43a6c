"""Errors as RFC 9457 problem documents: what is wrong, and what to do about it; never a traceback."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from loopwright.core.codec import to_json
from loopwright.errors import (
    ConflictError,
    DataError,
    DeclarationError,
    HostingError,
    LoopwrightError,
    NotFoundError,
    RequestError,
    SettingsError,
    StateError,
    StorageError,
)

log = logging.getLogger("loopwright.api")

STATUSES: dict[type[LoopwrightError], HTTPStatus] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    DeclarationError: HTTPStatus.UNPROCESSABLE_ENTITY,
    SettingsError: HTTPStatus.UNPROCESSABLE_ENTITY,
    DataError: HTTPStatus.UNPROCESSABLE_ENTITY,
    RequestError: HTTPStatus.UNPROCESSABLE_ENTITY,
    StateError: HTTPStatus.SERVICE_UNAVAILABLE,
    StorageError: HTTPStatus.SERVICE_UNAVAILABLE,
    HostingError: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""Which status tells of which error; subclasses go with their parent, all others are 500."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """What is wrong (`title` in general, `detail` in this case) and what to do about it.

    `type` is `urn:loopwright:<class of the error>`, `about:blank` where the status says it all.
    """

    type: str
    title: str
    status: int
    detail: str
    remedy: str = ""


def problem_of(error: LoopwrightError) -> Problem:
    """The error as a problem."""
    kind = type(error)
    status = next((code for one, code in STATUSES.items() if isinstance(error, one)), HTTPStatus.INTERNAL_SERVER_ERROR)
    return Problem(
        type=f"urn:loopwright:{kind.__name__}",
        title=(kind.__doc__ or kind.__name__).split("\n", 1)[0].rstrip("."),
        status=status,
        detail=error.message,
        remedy=error.remedy,
    )


def plain_problem(status: int, detail: str, remedy: str = "") -> Problem:
    """A problem that the HTTP status names well enough."""
    title = HTTPStatus(status).phrase
    return Problem(type="about:blank", title=title, status=status, detail=detail, remedy=remedy)


def respond(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """The problem as an answer."""
    return Response(to_json(problem), problem.status, headers, media_type="application/problem+json")


def install_handlers(app: FastAPI) -> None:
    """Let every error of the application end as a problem."""
    app.add_exception_handler(LoopwrightError, _ours)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)


async def _ours(_: Request, error: Exception) -> Response:
    assert isinstance(error, LoopwrightError)
    return respond(problem_of(error))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    where = f"{request.method} {request.url.path}"
    return respond(plain_problem(error.status_code, f"{where}: {error.detail}"), dict(error.headers or {}))


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    said = "; ".join(_fault(one) for one in error.errors())
    return respond(plain_problem(422, said, "the parameters and their types are in /openapi.json"))


def _fault(error: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in error["loc"]) or "body"
    return f"{place}: {error['msg']}"


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    detail = f"{request.method} {request.url.path} failed unexpectedly ({type(error).__name__})"
    return respond(plain_problem(500, detail, "the control API's log tells more; nothing else was disturbed"))
