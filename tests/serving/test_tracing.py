"""Traces of a real server, as a collector receives them by OTLP over HTTP."""

from __future__ import annotations

import gzip
import re
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from loopwright.bootstrap.extras import open_tracing
from loopwright.serving.grpc_messages import MESSAGES

Serve = Callable[..., Any]
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector:
    """An OTLP receiver: what came, as spans."""

    def __init__(self) -> None:
        self.resources: list[dict[str, Any]] = []
        self.spans: list[Any] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                assert self.path == "/v1/traces"
                collector.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def take(self, request: Any) -> None:
        for one in request.resource_spans:
            self.resources.append(attributes(one.resource))
            self.spans += [span for scope in one.scope_spans for span in scope.spans]


def attributes(thing: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in thing.attributes}


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.server.shutdown()
    made.server.server_close()


def parent(flags: str = "01") -> dict[str, str]:
    return {"traceparent": f"00-{TRACE}-{PARENT}-{flags}", "tracestate": "vendor=value"}


def test_a_request_is_a_span_of_its_caller_s_trace(
    kit: Any, project: Any, serve: Serve, row: dict[str, Any], collector: Collector
) -> None:
    project.release(project.bundle(version=3))
    port = kit.free_port()
    server = serve("--grpc-port", str(port), "--name", "one", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
    answers = [
        server.infer(row, row, headers={**parent(), "x-loopwright-prediction-id": "mine"}),
        server.infer({**row, "x": -1}, headers=parent()),
        server.client.post("/endpoints/nobody/invocations", json=[row], headers=parent()),
        server.infer(row),
        server.infer(row, headers={"traceparent": "00-nonsense"}),
    ]
    assert [one.status_code for one in answers] == [200, 422, 404, 200, 200]
    over_grpc = {"traceparent": told_over_grpc(port, parent())}
    assert server.client.get("/ping").status_code == 200
    assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()

    spans = {f"{span.trace_id.hex()}-{span.span_id.hex()}": span for span in collector.spans}
    assert len(spans) == 6  # health is no inference
    told = [one.headers for one in answers]
    good, failed, unknown, new, nonsense, remote = (
        spans[one["traceparent"][3:-3]]
        for one in (*told, over_grpc)
        if re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[13]", one["traceparent"])
    )
    about = {"endpoint": "demand", "variant": "champion", "version": 3, "revision": 1}
    facts = {f"loopwright.{name}": value for name, value in about.items()}
    assert attributes(good) == {**facts, "loopwright.rows": 2, "loopwright.prediction_id": "mine"}
    assert (good.name, good.kind, good.status.code) == ("infer", 2, 0)
    assert 0 < good.end_time_unix_nano - good.start_time_unix_nano < 5e9
    assert attributes(failed) == {**facts, "error.type": "model"}
    assert attributes(unknown) == {"loopwright.endpoint": "nobody", "error.type": "request"}
    assert (failed.status.code, unknown.status.code) == (2, 2)
    assert attributes(remote)["error.type"] == "request"
    for one in (good, failed, unknown, remote):
        assert (one.trace_id.hex(), one.parent_span_id.hex(), one.trace_state) == (TRACE, PARENT, "vendor=value")
    for one in (new, nonsense):
        assert one.trace_id.hex() != TRACE
        assert one.parent_span_id == b""
    assert all(one["service.name"] == "loopwright" for one in collector.resources)
    assert {one["service.instance.id"] for one in collector.resources} == {"one-1"}


def told_over_grpc(port: int, metadata: dict[str, str]) -> str:
    """The trace context that a refused request over gRPC comes back with."""
    message = MESSAGES["inference.ModelInferRequest"](model_name="demand").SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")(
            message, metadata=list(metadata.items()), timeout=10
        )
    found: str = dict(raised.value.trailing_metadata())["traceparent"]
    return found


def test_the_standard_variables_say_what_is_sampled(
    project: Any, serve: Serve, row: dict[str, Any], collector: Collector
) -> None:
    project.release(project.bundle())
    env = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{collector.url}/v1/traces",
        "OTEL_TRACES_SAMPLER": "parentbased_always_off",
    }
    server = serve(**env, OTEL_SERVICE_NAME="ours")
    headers = ({}, parent("00"), parent("01"))
    flags = [int(server.infer(row, headers=one).headers["traceparent"][-2:], 16) for one in headers]
    assert [bool(one & 1) for one in flags] == [False, False, True]
    assert server.stop() == 0
    assert [one.parent_span_id.hex() for one in collector.spans] == [PARENT]
    assert [one["service.name"] for one in collector.resources] == ["ours"]


def test_a_collector_that_is_away_holds_nothing_up(kit: Any, project: Any, serve: Serve, row: dict[str, Any]) -> None:
    project.release(project.bundle())
    server = serve(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{kit.free_port()}")
    assert all(server.infer(row).status_code == 200 for _ in range(50))
    assert server.stop() == 0
    assert len(project.captured()) == 50


def test_there_are_no_traces_unless_they_are_asked_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    assert open_tracing("one") is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert open_tracing("one") is None
    monkeypatch.setenv("OTEL_SDK_DISABLED", "false")
    monkeypatch.delitem(sys.modules, "loopwright.adapters.otel.tracing", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    assert open_tracing("one") is None
    assert "pip install 'loopwright[otel]'" in caplog.text


def test_a_server_without_traces_says_nothing_of_them(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    project.release(project.bundle())
    answer: httpx.Response = serve(OTEL_EXPORTER_OTLP_ENDPOINT="").infer(row, headers=parent())
    assert answer.status_code == 200
    assert "traceparent" not in answer.headers
