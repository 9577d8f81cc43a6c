"""The server's doors over HTTP: which path and method lead where, what comes in, what goes out, and every refusal."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import orjson

from loopwright.errors import HostingError, LoopwrightError, NotFoundError, RequestError
from loopwright.ports.tracing import Tracing
from loopwright.serving import protocol_v2, sagemaker
from loopwright.serving.background import Status
from loopwright.serving.batching import DeadlineError, OverloadError
from loopwright.serving.body import Bodies, BodyTooLargeError, SlowBodyError
from loopwright.serving.colleagues import Colleagues
from loopwright.serving.compression import UnsupportedMediaError, packed, unpacked
from loopwright.serving.dataplane import Answer, Call, Dataplane, error_kind, error_text
from loopwright.serving.endpoints import Endpoints, LiveEndpoint
from loopwright.serving.http import ClosedError, Headers, Reply, ReplyHeaders, Request
from loopwright.serving.invocations import decode_rows, encode_rows
from loopwright.serving.logs import log_refusal
from loopwright.serving.metrics import CONTENT_TYPE
from loopwright.serving.openapi import openapi_json
from loopwright.serving.outcomes import OutcomesTold
from loopwright.serving.tabular import Rows, shown
from loopwright.serving.tokens import Tokens

log = logging.getLogger("loopwright.serving")

Infer = Callable[[Request, Call], Awaitable[Reply]]
"""Answers a request to an endpoint."""


class Doors:
    """One HTTP request to one reply.

    `tell` keeps outcomes of an endpoint, None where nothing is kept; `flush` is done before each answer.
    """

    def __init__(
        self,
        plane: Dataplane,
        endpoints: Endpoints,
        status: Status,
        colleagues: Colleagues,
        tell: Callable[[str, bytes, str], OutcomesTold] | None,
        *,
        tokens: Tokens | None,
        tracing: Tracing | None,
        bodies: Bodies,
        server: str,
        flush: Callable[[], object] | None = None,
    ) -> None:
        self._plane = plane
        self._endpoints = endpoints
        self._status = status
        self._colleagues = colleagues
        self._tell = tell
        self._flush = flush
        self._tokens = tokens
        self._to_infer: Infer = self._infer if tracing is None else partial(self._traced, tracing, self._infer)
        self._to_invoke: Infer = self._invoke if tracing is None else partial(self._traced, tracing, self._invoke)
        self._bodies = bodies
        self._server = server
        self._pages: dict[str, Callable[[], Reply]] = {
            "/v2": lambda: _json(200, _SERVER),
            "/v2/": lambda: _json(200, _SERVER),
            "/status": self._status_page,
            "/version": lambda: Reply(200, [("content-type", "text/plain")], _MLFLOW),
            "/metrics": self._metrics_page,
            "/openapi.json": lambda: Reply(200, [("content-type", "application/json")], _OPENAPI),
        }
        self._health: dict[str, Callable[[], Reply]] = {
            "/ping": self._ready_page,
            "/health": self._ready_page,
            "/healthz": lambda: _json(200, {"live": True}),
            "/v2/health/live": lambda: _json(200, {"live": True}),
            "/v2/health/ready": self._ready_page,
        }

    async def __call__(self, request: Request) -> Reply:
        """An answer, whatever comes: a client's mistake is told in the protocol's own error shape."""
        began = time.perf_counter()
        try:
            reply = await self._reply(request, began)
        except LoopwrightError as error:
            reply = _refusal(error)
        except ClosedError:
            reply = _json(400, {"error": "the body ended before its time", "kind": "request"})
        except Exception:
            log.exception("%s %r", request.method, request.path)
            reply = _json(500, {"error": "the server failed at this request", "kind": "server"})
        if reply.status >= 400:
            _log(request, reply)
        if reply.status >= 400 and request.path.endswith("/invocations"):
            _explain_to_sagemaker(reply)
        if self._flush and request.method == "POST":
            await asyncio.get_running_loop().run_in_executor(None, self._flush)
        return reply

    async def _reply(self, request: Request, began: float) -> Reply:
        path = request.path
        health = self._health.get(path)
        if health is not None:
            return health() if request.method == "GET" else _not_allowed(request, "GET")
        parts, headers = path.split("/"), request.headers
        if self._tokens is not None and not self._tokens.allow(
            headers.get("authorization"), self._asked(parts, headers)
        ):
            return _json(
                401, {"error": "a bearer token is required", "kind": "request"}, ("www-authenticate", "Bearer")
            )
        infer = self._inference(parts, request, began)
        if infer is not None:
            return await infer() if request.method == "POST" else _not_allowed(request, "POST")
        page = self._pages.get(path) or self._model_page(parts)
        if page is None:
            raise NotFoundError(f"there is no {shown(path)}", remedy="see /v2, /ping, /invocations, /status")
        return page() if request.method == "GET" else _not_allowed(request, "GET")

    def _inference(self, parts: list[str], request: Request, began: float) -> Callable[[], Awaitable[Reply]] | None:
        match parts:
            case ["", "v2", "models", name, "infer"]:
                return partial(self._to_infer, request, Call(name, began))
            case ["", "v2", "models", name, "versions", number, "infer"]:
                return partial(self._to_infer, request, Call(name, began, version=number))
            case ["", "endpoints", name, "invocations"]:
                return partial(self._to_invoke, request, Call(name, began))
            case ["", "endpoints", name, "outcomes"]:
                return partial(self._outcomes, request, name)
            case ["", "invocations"]:
                return partial(self._to_invoke, request, Call(request.headers.get("x-loopwright-endpoint"), began))
        return None

    async def _traced(self, tracing: Tracing, infer: Infer, request: Request, call: Call) -> Reply:
        headers = request.headers
        fault = "server"
        call.span = span = tracing.begin(call.endpoint, headers.get("traceparent"), headers.get("tracestate"))
        try:
            reply = await infer(request, call)
            fault = ""
        except LoopwrightError as error:
            reply, fault = _refusal(error), error_kind(error)
        finally:
            span.end(fault)
        reply.headers.append(("traceparent", span.traceparent))
        return reply

    async def _infer(self, request: Request, call: Call) -> Reply:
        """Open Inference Protocol v2."""
        body, headers = await self._body(request, call), request.headers
        _surround(call, headers)
        said_length = headers.get("inference-header-content-length")
        asked = _NO_REQUEST

        def read(endpoint: LiveEndpoint) -> tuple[Rows, str | None]:
            nonlocal asked
            asked = protocol_v2.decode_request(body, said_length)
            protocol_v2.check_outputs(asked, endpoint.signature)
            return protocol_v2.request_rows(asked, endpoint.names), asked.id

        answer = await self._plane.infer(call, read)
        encoded, json_length = protocol_v2.encode_response(
            call.endpoint or "", answer.prediction_id, answer.live, answer.outputs, asked
        )
        sent = _headers(answer, "application/json" if json_length is None else "application/octet-stream")
        if json_length is not None:
            sent.append((protocol_v2.JSON_LENGTH.lower(), str(json_length)))
        return _packed(headers, sent, encoded)

    async def _invoke(self, request: Request, call: Call) -> Reply:
        """SageMaker and MLflow scoring."""
        body, headers = await self._body(request, call), request.headers
        _surround(call, headers)
        sagemaker.read_headers(headers, call)
        attributes: str | None = None
        content_type = headers.get("content-type") or ""

        def read(endpoint: LiveEndpoint) -> tuple[Rows, str | None]:
            nonlocal attributes
            attributes = sagemaker.attributes(headers)
            limits = {"max_rows": self._plane.max_rows, "max_bytes": self._bodies.limit}
            return decode_rows(body, content_type, endpoint.signature, **limits), None

        answer = await self._plane.infer(call, read)
        accept = headers.get("accept") or ""
        kind, encoded = encode_rows(answer.outputs, accept)
        sent = _headers(answer, kind)
        sent.append((sagemaker.INVOKED, answer.live.variant.name))
        if attributes is not None:
            sent.append((sagemaker.ATTRIBUTES, attributes))
        return _packed(headers, sent, encoded)

    async def _outcomes(self, request: Request, name: str) -> Reply:
        """Ground truth: 202, since it lies in the store a moment later."""
        if self._tell is None:
            raise NotFoundError("this server has no store to keep outcomes in", remedy="name one when it is started")
        endpoint = self._plane.endpoint(name).revision.endpoint
        body = await self._read(request)
        kind = request.headers.get("content-type") or ""
        told = await asyncio.get_running_loop().run_in_executor(None, self._tell, endpoint, body, kind)
        if told.kept == 0:
            return _json(400, {"error": told.errors[0], "kind": "request", **asdict(told)})
        return _json(202, asdict(told))

    async def _body(self, request: Request, call: Call) -> bytes:
        call.gone = request.gone
        try:
            if (allowed := request.headers.get("x-request-timeout-ms")) is not None:
                call.deadline = call.began + _milliseconds(allowed) / 1000
            body = await self._read(request)
            call.size = len(body)
            return body
        except LoopwrightError as error:
            self._plane.refused(call, error)
            raise

    async def _read(self, request: Request) -> bytes:
        """The request's body, unpacked where it was compressed."""
        body = await self._bodies.read(request)
        if coding := request.headers.get("content-encoding"):
            body = unpacked(body, coding, self._bodies.limit)
            self._bodies.hold(len(body))
        return body

    def _asked(self, parts: list[str], headers: Headers) -> str | None:
        """The endpoint that is asked; None for the server itself."""
        match parts:
            case ["", "endpoints", name, *_] | ["", "v2", "models", name, *_]:
                return name
            case ["", "invocations"]:
                only = self._endpoints.only
                return headers.get("x-loopwright-endpoint") or (only.revision.endpoint if only else None)
        return None

    def _model_page(self, parts: list[str]) -> Callable[[], Reply] | None:
        match parts:
            case ["", "v2", "models", name]:
                return partial(self._metadata, name, None)
            case ["", "v2", "models", name, "ready"]:
                return partial(self._model_ready, name, None)
            case ["", "v2", "models", name, "versions", number]:
                return partial(self._metadata, name, number)
            case ["", "v2", "models", name, "versions", number, "ready"]:
                return partial(self._model_ready, name, number)
        return None

    def _metadata(self, name: str, number: str | None) -> Reply:
        endpoint = self._plane.endpoint(name)
        live = endpoint.version(number) if number is not None else endpoint.variants[0]
        return _json(200, protocol_v2.model_metadata(name, endpoint, live))

    def _model_ready(self, name: str, number: str | None) -> Reply:
        endpoint = self._plane.endpoint(name)
        if number is not None:
            endpoint.version(number)
        return _json(200, {"name": name, "ready": True})

    def _ready_page(self) -> Reply:
        if self._endpoints.ready:
            return _json(200, {"ready": True})
        return _json(503, {"ready": False, "error": "not every endpoint is loaded; look at /status"})

    def _status_page(self) -> Reply:
        record = self._status.record()
        return _json(
            200,
            {
                "server": record.server,
                "at": record.at,
                "revisions": record.revisions,
                "digests": self._status.digests,
                "faults": record.faults,
                "dropped": record.dropped,
            },
        )

    def _metrics_page(self) -> Reply:
        return Reply(200, [("content-type", CONTENT_TYPE)], self._colleagues.prometheus(self._server).encode())


def _surround(call: Call, headers: Headers) -> None:
    call.key = headers.get("x-loopwright-key")
    call.variant = headers.get("x-loopwright-variant")
    call.prediction_id = headers.get("x-loopwright-prediction-id")


def _milliseconds(said: str) -> int:
    if not (said.isascii() and said.isdecimal() and len(said) <= 10 and int(said) > 0):
        raise RequestError(
            f"X-Request-Timeout-Ms is {shown(said)}", remedy="send the milliseconds that the answer may take, from 1 on"
        )
    return int(said)


def _headers(answer: Answer, content_type: str) -> ReplyHeaders:
    return [
        ("content-type", content_type),
        ("x-loopwright-prediction-id", answer.prediction_id),
        ("x-loopwright-variant", answer.live.variant.name),
        ("x-loopwright-version", answer.live.number),
    ]


def _packed(headers: Headers, sent: ReplyHeaders, body: bytes) -> Reply:
    """An answer, compressed where the client takes that and it pays."""
    body, coding = packed(body, headers.get("accept-encoding"))
    if coding is not None:
        sent.append(("content-encoding", coding))
    return Reply(200, sent, body)


def _refusal(error: LoopwrightError) -> Reply:
    """The error in the shape that both protocols have. A model that fails at these rows is a 422, never a 500."""
    body = {"error": error_text(error), "kind": error_kind(error)}
    if isinstance(error, BodyTooLargeError):
        return _json(413, body)
    if isinstance(error, SlowBodyError):
        return _json(408, body)
    if isinstance(error, NotFoundError):
        return _json(404, body)
    if isinstance(error, RequestError):
        return _json(415 if isinstance(error, UnsupportedMediaError) else 400, body)
    if isinstance(error, DeadlineError):
        return _json(504, body)
    if isinstance(error, HostingError):
        return _json(503, body, ("retry-after", str(error.retry_after if isinstance(error, OverloadError) else 1)))
    return _json(422, body)


def _log(request: Request, reply: Reply) -> None:
    headers = request.headers
    given = headers.get("x-loopwright-prediction-id") or headers.get("x-amzn-sagemaker-inference-id")
    log_refusal(
        request.method,
        request.path,
        reply.status,
        orjson.loads(reply.body)["error"],
        prediction_id=given,
        traceparent=headers.get("traceparent"),
    )


def _explain_to_sagemaker(reply: Reply) -> None:
    body, header = sagemaker.refusal(reply.status, orjson.loads(reply.body))
    reply.body = orjson.dumps(body)
    reply.headers.append(header)


def _not_allowed(request: Request, method: str) -> Reply:
    text = f"{shown(request.path)} takes {method}, not {request.method}"
    return _json(405, {"error": text, "kind": "request"}, ("allow", method))


def _json(status: int, body: Any, *headers: tuple[str, str]) -> Reply:
    return Reply(status, [("content-type", "application/json"), *headers], orjson.dumps(body))


def _mlflow_version() -> str:
    """The version of MLflow here; where there is none, that whose scoring protocol the doors are held against."""
    try:
        return version("mlflow")
    except PackageNotFoundError:
        return "3.17.2"


_SERVER = {"name": "loopwright", "version": version("loopwright"), "extensions": ["binary_tensor_data"]}
_MLFLOW = _mlflow_version().encode()
_OPENAPI = openapi_json()
_NO_REQUEST = protocol_v2.InferenceRequest(inputs=[])
