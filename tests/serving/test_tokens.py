"""Tokens: whom the server's opens to, and whom an endpoint's own; over HTTP and gRPC alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from loopwright.serving.grpc_messages import MESSAGES
from loopwright.serving.tokens import Tokens, make_tokens


def test_nothing_has_to_be_shown_where_there_are_no_tokens() -> None:
    assert make_tokens(None, {}) is None
    assert make_tokens("", {}) is None


@pytest.mark.parametrize("server", [None, "all"])
def test_an_endpoint_is_opened_by_its_own_token_and_the_server_s(server: str | None) -> None:
    tokens = Tokens(server, {"a": "for-a", "b": "for-b"})
    opened = {
        (shown, endpoint): tokens.allow(f"Bearer {shown}", endpoint)
        for shown in ("all", "for-a", "for-b", "wrong")
        for endpoint in ("a", "b", "c", None)
    }
    open_to_all = server is None
    for (shown, endpoint), allowed in opened.items():
        expected = shown == f"for-{endpoint}" or (shown == "all" and not open_to_all)
        expected |= open_to_all and endpoint in ("c", None)
        assert allowed is expected, (shown, endpoint)
    assert not tokens.allow(None, "a")
    assert not tokens.allow("for-a", "a")
    assert not tokens.allow("Bearer für-a", "a")


def test_what_is_staged_for_an_endpoint_is_as_open_as_the_endpoint() -> None:
    tokens = Tokens(None, {"a": "for-a"})
    assert tokens.allow("Bearer for-a", "a-staging")
    assert not tokens.allow(None, "a-staging")
    assert tokens.allow(None, "b-staging")


def test_both_doors_ask_for_tokens(kit: Any, project: Any, serve: Callable[..., Any], row: dict[str, Any]) -> None:
    project.release(project.bundle())
    project.release(project.bundle(), endpoint="private")
    port = kit.free_port()
    env = {"LOOPWRIGHT_TOKEN": "all", "LOOPWRIGHT_ENDPOINT_TOKENS": json.dumps({"private": "own"})}
    server = serve("--grpc-port", str(port), **env)
    for path, token, status in (
        ("/status", None, 401), ("/status", "own", 401), ("/status", "all", 200),
        ("/metrics", "own", 401), ("/metrics", "all", 200), ("/v2/health/ready", None, 200), ("/ping", None, 200),
        ("/v2/models/private", "own", 200), ("/v2/models/demand", "own", 401), ("/v2/models/demand", "all", 200),
        ("/v2/models/nobody", "own", 401), ("/nowhere", "own", 401),
    ):  # fmt: skip
        assert server.client.get(path, headers=bearing(token)).status_code == status, (path, token)
    for endpoint, token, status in (
        ("private", "own", 200), ("private", "all", 200), ("private", "wrong", 401), ("private", None, 401),
        ("demand", "own", 401), ("demand", "all", 200),
    ):  # fmt: skip
        path = f"/endpoints/{endpoint}/invocations"
        assert server.client.post(path, json=[row], headers=bearing(token)).status_code == status
        named = {"x-loopwright-endpoint": endpoint, **bearing(token)}
        assert server.client.post("/invocations", json=[row], headers=named).status_code == status
        assert over_grpc(port, "ModelReady", token, name=endpoint) == (status == 200)
        assert over_grpc(port, "ModelMetadata", token, name=endpoint) == (status == 200)
        assert over_grpc(port, "ModelInfer", token, model_name=endpoint) == (status == 200)
    assert over_grpc(port, "ServerReady", None)
    assert not over_grpc(port, "ServerMetadata", "own")
    assert over_grpc(port, "ServerMetadata", "all")
    assert "all" not in server.process.args
    assert "own" not in server.process.args


def test_tokens_that_cannot_be_read_end_the_server_and_are_not_shown(project: Any, serve: Callable[..., Any]) -> None:
    for wrong in ("secret", '["secret"]', '{"demand": 7}'):
        server = serve(wait=False, LOOPWRIGHT_ENDPOINT_TOKENS=wrong)
        assert server.process.wait(timeout=20) == 1
        said = server.log.read_text()
        assert "LOOPWRIGHT_ENDPOINT_TOKENS is no object of endpoints and tokens" in said
        assert "secret" not in said


def bearing(token: str | None) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"} if token else {}


def over_grpc(port: int, method: str, token: str | None, **request: Any) -> bool:
    """Whether it was let in. What is asked then may be at fault."""
    message = MESSAGES[f"inference.{method}Request"](**request).SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(f"/inference.GRPCInferenceService/{method}")
        code = call.future(message, metadata=list(bearing(token).items()), timeout=10).code()
    assert code in (grpc.StatusCode.OK, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.INVALID_ARGUMENT)
    return code != grpc.StatusCode.UNAUTHENTICATED
