"""Who may come in."""

from __future__ import annotations

import asyncio
import base64
from contextlib import nullcontext

import pytest
from starlette.responses import PlainTextResponse

from loopwright.api import create_app
from loopwright.bootstrap.platform import open_platform

HERE = "http://127.0.0.1:8400"


@pytest.fixture
def guarded(tmp_path, client_of):
    platform = open_platform(tmp_path, overrides={"tracking": "off", "token": "sécret", "host": "0.0.0.0"})
    app = create_app(platform, mlflow=(PlainTextResponse("MLflow"), nullcontext()))
    yield client_of(app, "http://models.example")
    platform.close()


def basic(password, user="ann"):
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize("path", ["/readyz", "/version", "/docs", "/openapi.json", "/api/v1/runs", "/mlflow/", "/none"])
def test_every_path_wants_the_token(guarded, path):
    answer = guarded.get(path)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Basic"), "so that a browser asks for it"


def test_health_is_for_everybody(guarded):
    assert guarded.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    "shown",
    [
        {"authorization": "Bearer sécret".encode()},
        {"authorization": "bearer sécret".encode()},
        basic("sécret"),
        basic("sécret", ""),
    ],
)
def test_the_token_opens_all_doors(guarded, shown):
    for path in ("/version", "/api/v1/runs", "/mlflow/"):
        assert guarded.get(path, headers=shown).status_code == 200


@pytest.mark.parametrize(
    "shown",
    [
        {"authorization": "Bearer secret"},
        {"authorization": "Bearer"},
        {"authorization": "sécret".encode()},
        {"authorization": "Basic sécret".encode()},
        {"authorization": "Basic " + base64.b64encode(b"no colon").decode()},
        {"authorization": "Digest sécret".encode()},
        basic(""),
        basic("sécret "),
        {"authorization": b"\xff\xfe"},
    ],
)
def test_nothing_else_does(guarded, shown):
    assert guarded.get("/version", headers=shown).status_code == 401


@pytest.mark.parametrize("host", ["127.0.0.1:8400", "localhost:8400", "localhost", "[::1]:8400"])
def test_without_a_token_it_answers_to_local_names(client, host):
    assert client.get("/version", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1.x.example", "localhost@elsewhere.example", "", "["])
def test_without_a_token_it_does_not_answer_to_a_name_that_others_may_have_pointed_here(client, host):
    answer = client.get("/version", headers={"host": host})
    assert answer.status_code == 421
    assert "set a token" in answer.json()["remedy"]


def test_a_page_of_another_site_gives_no_orders(client, declared):
    order = {"model": "demand"}
    for origin in ("https://elsewhere.example", "null", "http://127.0.0.1:9999"):
        answer = client.post("/api/v1/runs", json=order, headers={"origin": origin})
        assert answer.status_code == 403
    assert client.get("/api/v1/runs").json()["total"] == 0
    assert client.post("/api/v1/runs", json=order, headers={"origin": HERE}).status_code == 202


def test_no_other_site_may_read_an_answer(client):
    answer = client.get("/version", headers={"origin": "https://elsewhere.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("headers", [[], [(b"authorization", b"Bearer wrong")]])
def test_a_websocket_is_no_way_round(guarded, headers):
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(guarded.app({"type": "websocket", "path": "/mlflow/socket", "headers": headers}, None, send))
    assert [message["type"] for message in sent] == ["websocket.close"]
