"""The server's door over gRPC: Open Inference Protocol v2, on the worker's own event loop. Needs the extra `grpc`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import grpc
from grpc import aio

from loopwright.errors import HostingError, LoopwrightError, NotFoundError, RequestError
from loopwright.ports.tracing import Tracing
from loopwright.serving import protocol_v2
from loopwright.serving.batching import DeadlineError, OverloadError
from loopwright.serving.body import Bodies
from loopwright.serving.dataplane import Answer, Call, Dataplane, error_kind, error_text
from loopwright.serving.endpoints import Endpoints, LiveEndpoint
from loopwright.serving.grpc_messages import SERVICE, answer_of, make, parse, request_of
from loopwright.serving.logs import log_refusal
from loopwright.serving.options import ServerOptions
from loopwright.serving.tabular import Rows
from loopwright.serving.tokens import Tokens

log = logging.getLogger("loopwright.serving")

CONCURRENT = 1024
"""Requests in work at once; the next is refused with RESOURCE_EXHAUSTED."""

Metadata = dict[str, str]


class UnauthenticatedError(RequestError):
    """A token is required."""


class GrpcDoor:
    """Opens in each worker, all on the same port: the kernel shares the connections out."""

    def __init__(
        self,
        plane: Dataplane,
        endpoints: Endpoints,
        tokens: Tokens | None,
        tracing: Tracing | None,
        flush: Callable[[], object] | None,
        bodies: Bodies,
        options: ServerOptions,
    ) -> None:
        self._plane = plane
        self._endpoints = endpoints
        self._tokens = tokens
        self._tracing = tracing
        self._flush = flush
        self._bodies = bodies
        self._options = options
        self._server: aio.Server | None = None

    async def open(self) -> None:
        """Listen. Raises `HostingError` where the port cannot be had."""
        options = self._options
        logging.getLogger("grpc._cython.cygrpc").addFilter(_is_no_farewell)
        self._server = aio.server(
            options=[
                ("grpc.so_reuseport", 1),
                ("grpc.max_receive_message_length", self._bodies.limit),
                ("grpc.max_send_message_length", -1),
            ],
            maximum_concurrent_rpcs=CONCURRENT,
        )
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, self._methods())])
        address = (
            f"[{options.host}]:{options.grpc_port}" if ":" in options.host else f"{options.host}:{options.grpc_port}"
        )
        try:
            _listen(self._server, address, options)
        except RuntimeError as error:
            raise HostingError(
                f"the inference server cannot listen on {address}: {error}",
                remedy="stop what listens there, or choose another port (grpc_port)",
            ) from None
        await self._server.start()

    async def close(self, seconds: float) -> None:
        """Take no new requests, and give those in work `seconds` to be answered."""
        if self._server is not None:
            await self._server.stop(seconds)

    def _methods(self) -> dict[str, Any]:
        acts: dict[str, Callable[[bytes, Any], Awaitable[bytes]]] = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ServerMetadata": self._server_metadata,
            "ModelReady": self._model_ready,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._model_infer if self._tracing is None else partial(self._traced, self._tracing),
        }
        return {
            name: grpc.unary_unary_rpc_method_handler(partial(_answered, name, act), None, None)
            for name, act in acts.items()
        }

    async def _server_live(self, data: bytes, context: Any) -> bytes:
        return make("ServerLiveResponse", live=True)

    async def _server_ready(self, data: bytes, context: Any) -> bytes:
        return make("ServerReadyResponse", ready=self._endpoints.ready)

    async def _server_metadata(self, data: bytes, context: Any) -> bytes:
        self._admit(_metadata(context), None)
        return make("ServerMetadataResponse", name="loopwright", version=version("loopwright"))

    async def _model_ready(self, data: bytes, context: Any) -> bytes:
        asked = parse("ModelReadyRequest", data)
        self._admit(_metadata(context), asked.name)
        try:
            endpoint = self._plane.endpoint(asked.name)
        except HostingError:
            return make("ModelReadyResponse", ready=False)
        if asked.version:
            endpoint.version(asked.version)
        return make("ModelReadyResponse", ready=True)

    async def _model_metadata(self, data: bytes, context: Any) -> bytes:
        asked = parse("ModelMetadataRequest", data)
        self._admit(_metadata(context), asked.name)
        endpoint = self._plane.endpoint(asked.name)
        live = endpoint.version(asked.version) if asked.version else endpoint.variants[0]
        return make("ModelMetadataResponse", **protocol_v2.model_metadata(asked.name, endpoint, live))

    async def _model_infer(self, data: bytes, context: Any) -> bytes:
        return await self._infer(Call(None, time.perf_counter(), size=len(data)), data, context)

    async def _traced(self, tracing: Tracing, data: bytes, context: Any) -> bytes:
        said = _metadata(context)
        span = tracing.begin(None, said.get("traceparent"), said.get("tracestate"))
        fault = "server"
        context.set_trailing_metadata((("traceparent", span.traceparent),))
        try:
            answer = await self._infer(Call(None, time.perf_counter(), span=span, size=len(data)), data, context)
            fault = ""
        except LoopwrightError as error:
            fault = error_kind(error)
            raise
        except asyncio.CancelledError:
            fault = "client"
            raise
        finally:
            span.end(fault)
        return answer

    async def _infer(self, call: Call, data: bytes, context: Any) -> bytes:
        message = parse("ModelInferRequest", data)
        said, call.endpoint = _metadata(context), message.model_name
        self._admit(said, call.endpoint)
        try:
            self._bodies.hold(call.size)
        except HostingError as error:
            self._plane.refused(call, error)
            raise
        _surround(call, said, message.model_version, context.time_remaining())

        def read(endpoint: LiveEndpoint) -> tuple[Rows, str | None]:
            request = request_of(message)
            protocol_v2.check_outputs(request, endpoint.signature)
            return protocol_v2.request_rows(request, endpoint.names), request.id

        answer = await self._plane.infer(call, read)
        if self._flush is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._flush)
        context.set_trailing_metadata(_trailing(call, answer))
        return answer_of(message, answer)

    def _admit(self, said: Metadata, endpoint: str | None) -> None:
        if self._tokens is not None and not self._tokens.allow(said.get("authorization"), endpoint):
            raise UnauthenticatedError("a bearer token is required", remedy="send authorization: Bearer <token>")


def _is_no_farewell(record: logging.LogRecord) -> bool:
    """Whether a record of gRPC's tells of more than of a client that left before its answer could be sent."""
    return not record.getMessage().startswith("ExecuteBatchError ")


def _listen(server: aio.Server, address: str, options: ServerOptions) -> None:
    if options.tls_certificate is None or options.tls_key is None:
        server.add_insecure_port(address)
    else:
        pair = (options.tls_key.read_bytes(), options.tls_certificate.read_bytes())
        server.add_secure_port(address, grpc.ssl_server_credentials([pair]))


async def _answered(name: str, act: Callable[[bytes, Any], Awaitable[bytes]], data: bytes, context: Any) -> bytes:
    """An answer, whatever comes: a client's mistake is told by status and details."""
    try:
        return await act(data, context)
    except LoopwrightError as error:
        status = next(status for kind, status in _STATUSES if isinstance(error, kind))
        details = error_text(error)
        said = _metadata(context)
        log_refusal(
            "gRPC",
            f"/{SERVICE}/{name}",
            status.name,
            details,
            prediction_id=said.get("x-loopwright-prediction-id"),
            traceparent=said.get("traceparent"),
        )
        kept = context.trailing_metadata() or ()
        context.set_trailing_metadata((*kept, ("x-loopwright-kind", error_kind(error))))
        await context.abort(status, details)
    except Exception:
        log.exception("gRPC %s", name)
        await context.abort(grpc.StatusCode.INTERNAL, "the server failed at this request")
    raise AssertionError("an aborted call goes no further")


def _metadata(context: Any) -> Metadata:
    return dict(context.invocation_metadata() or ())


def _surround(call: Call, said: Metadata, number: str, remaining: float | None) -> None:
    call.version = number or None
    call.key = said.get("x-loopwright-key")
    call.variant = said.get("x-loopwright-variant")
    call.prediction_id = said.get("x-loopwright-prediction-id")
    call.deadline = None if remaining is None else call.began + remaining


def _trailing(call: Call, answer: Answer) -> tuple[tuple[str, str], ...]:
    told = (
        ("x-loopwright-prediction-id", answer.prediction_id),
        ("x-loopwright-variant", answer.live.variant.name),
        ("x-loopwright-version", answer.live.number),
    )
    return told if call.span is None else (*told, ("traceparent", call.span.traceparent))


_STATUSES: tuple[tuple[type[LoopwrightError], grpc.StatusCode], ...] = (
    (UnauthenticatedError, grpc.StatusCode.UNAUTHENTICATED),
    (NotFoundError, grpc.StatusCode.NOT_FOUND),
    (OverloadError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (DeadlineError, grpc.StatusCode.DEADLINE_EXCEEDED),
    (HostingError, grpc.StatusCode.UNAVAILABLE),
    # What is left is the request's own fault: it cannot be read, or the model cannot answer these rows.
    (LoopwrightError, grpc.StatusCode.INVALID_ARGUMENT),
)
