"""The doors of a real server: what each protocol answers, and that nothing a client sends brings it down."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.serving.router import place

TENSORS = [
    {"name": "x", "shape": [2], "datatype": "FP64", "data": [1.5, 2.5]},
    {"name": "n", "shape": [2, 1], "datatype": "INT64", "data": [[2], [None]]},
    {"name": "shop", "shape": [2], "datatype": "BYTES", "data": ["a", "new"]},
]


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One server for the module: a regression with two variants (`demand`), a binary and a three-class model."""
    kit = request.config.pluginmanager
    conftest = next(plugin for plugin in kit.get_plugins() if hasattr(plugin, "start_server"))
    project = conftest.Project(tmp_path_factory.mktemp("project"))
    champion = project.bundle(version=1)
    challenger = replace(project.bundle(conftest.linear_model(2.0), version=2), name="challenger")
    project.release(replace(champion, weight=70), replace(challenger, weight=30), sticky_by="shop")
    project.release(project.bundle(conftest.classifier(2), task="binary", classes=("no", "yes")), endpoint="binary")
    classes = ("a", "b", "c")
    project.release(project.bundle(conftest.classifier(3), task="multiclass", classes=classes), endpoint="three")
    running = conftest.start_server(project, tmp_path_factory.mktemp("server"))
    running.wait_for()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()
    running.client.close()


def infer(server: Any, model: str = "demand", version: str = "", **request: Any) -> httpx.Response:
    path = f"/v2/models/{model}{version}/infer"
    response: httpx.Response = server.client.post(path, json={"inputs": TENSORS, **request})
    return response


def test_v2_answers_with_tensors(server: Any) -> None:
    response = infer(server, "demand", "/versions/1", id="my-id")
    assert response.status_code == 200
    assert response.json() == {
        "model_name": "demand", "model_version": "1", "id": "my-id",
        "parameters": {"variant": "champion", "revision": 1},
        "outputs": [{"name": "prediction", "shape": [2], "datatype": "FP64", "data": [21.5, None]}],
    }  # fmt: skip
    assert response.headers["x-loopwright-prediction-id"] == "my-id"


def test_v2_answers_of_classifiers(server: Any) -> None:
    binary = infer(server, "binary").json()["outputs"]
    assert [(one["name"], one["shape"], one["datatype"]) for one in binary] == [
        ("probability", [2], "FP64"), ("label", [2], "BYTES"),
    ]  # fmt: skip
    assert binary[1]["data"] == ["yes", "yes"]
    three = infer(server, "three", outputs=[{"name": "probabilities"}]).json()["outputs"]
    assert [(one["name"], one["shape"], len(one["data"])) for one in three] == [("probabilities", [2, 3], 6)]
    assert sum(three[0]["data"][:3]) == pytest.approx(1)


def test_v2_without_an_id_makes_one_for_each_request(server: Any) -> None:
    assert infer(server).json()["id"] != infer(server).json()["id"]


def test_v2_says_what_it_serves(server: Any) -> None:
    get = server.client.get
    assert get("/v2").json()["name"] == "loopwright"
    assert get("/v2/health/live").status_code == get("/v2/health/ready").status_code == 200
    metadata = get("/v2/models/demand").json()
    assert metadata["versions"] == ["1", "2"]
    assert metadata["inputs"][:2] == [
        {"name": "x", "datatype": "FP64", "shape": [-1]}, {"name": "n", "datatype": "INT64", "shape": [-1]},
    ]  # fmt: skip
    assert metadata["outputs"] == [{"name": "prediction", "datatype": "FP64", "shape": [-1]}]
    assert get("/v2/models/demand/versions/2").json() == metadata
    assert get("/v2/models/demand/ready").json() == {"name": "demand", "ready": True}
    assert get("/v2/models/demand/versions/3/ready").status_code == 404


def test_invocations_in_every_format_give_the_same_numbers(server: Any) -> None:
    def ask(content: bytes, kind: str, accept: str) -> str:
        headers = {"Content-Type": kind, "Accept": accept, "X-Amzn-SageMaker-Target-Variant": "champion"}
        response = server.client.post("/endpoints/demand/invocations", content=content, headers=headers)
        assert response.status_code == 200, response.text
        assert response.headers["x-amzn-invoked-production-variant"] == "champion"
        return str(response.text)

    rows = [{"x": 1.5, "n": 2, "shop": "a"}, {"x": 0, "n": 1, "shop": "b"}]
    csv = b"x,n,shop\n1.5,2,a\n0,1,b\n"
    lines = b"\n".join(orjson.dumps(one) for one in rows)
    assert ask(orjson.dumps({"instances": rows}), "application/json", "*/*") == '{"predictions":[21.5,10.0]}'
    assert ask(csv, "text/csv", "text/csv") == "21.5\n10.0\n"
    assert ask(lines, "application/jsonlines", "application/jsonlines") == "21.5\n10.0\n"


def test_plain_invocations_name_the_endpoint_by_header(server: Any) -> None:
    rows = {"instances": [{"x": 9, "n": 2, "shop": "a"}]}
    refused = server.client.post("/invocations", json=rows)
    assert refused.status_code == 404
    assert "X-Loopwright-Endpoint" in refused.json()["error"]
    found = server.client.post("/invocations", json=rows, headers={"X-Loopwright-Endpoint": "binary"})
    assert found.json()["predictions"][0]["label"] == "yes"


def test_the_variant_follows_the_key(server: Any) -> None:
    for key in map(str, range(40)):
        expected = "champion" if place("demand", key) < 70 else "challenger"
        row = {"x": 1.0, "n": 0, "shop": "a"}
        by_header = server.infer(row, headers={"X-Loopwright-Key": key})
        assert by_header.headers["x-loopwright-variant"] == expected
        by_column = server.infer({**row, "shop": key})
        assert by_column.headers["x-loopwright-variant"] == expected
        assert by_column.json() == {"predictions": [1.0 if expected == "champion" else 2.0]}


def test_a_variant_may_be_asked_for(server: Any) -> None:
    for name, version in (("champion", "1"), ("challenger", "2")):
        response = server.infer({"x": 1, "n": 0, "shop": "a"}, headers={"X-Loopwright-Variant": name})
        assert (response.headers["x-loopwright-variant"], response.headers["x-loopwright-version"]) == (name, version)
    assert server.infer({}, headers={"X-Loopwright-Variant": "nobody"}).status_code == 404


@pytest.mark.parametrize(
    ("row", "status", "kind", "said"),
    [
        ({"n": 1, "shop": "a"}, 400, "request", "the column 'x' is missing"),
        (
            {"x": "many", "n": 1, "shop": "a"},
            400,
            "request",
            "the column 'x' expects a number, but row 1 of 1 holds 'many'",
        ),
        ({"x": [1], "n": 1, "shop": "a"}, 400, "request", "the column 'x' expects a number"),
        ({"x": 1, "n": 1, "shop": {"a": 1}}, 400, "request", "the column 'shop' expects"),
        ({"x": -1, "n": 1, "shop": "a"}, 422, "model", "the model raised ValueError: x is -1"),
    ],
)
def test_a_row_that_cannot_be_answered_is_told_why(server: Any, row: Any, status: int, kind: str, said: str) -> None:
    response = server.infer(row)
    assert (response.status_code, response.json()["kind"]) == (status, kind)
    assert said in response.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/v2/models/nobody", 404),
        ("POST", "/v2/models/nobody/infer", 404),
        ("GET", "/v2/models/demand/infer", 405),
        ("POST", "/ping", 405),
        ("DELETE", "/status", 405),
        ("POST", "/endpoints//invocations", 404),
        ("POST", "/endpoints/%00/invocations", 404),
        ("POST", "/v2/models/demand/versions/9/infer", 404),
    ],
)
def test_ways_that_lead_nowhere(server: Any, method: str, path: str, status: int) -> None:
    response = server.client.request(method, path)
    assert response.status_code == status
    assert response.json()["error"]


@pytest.mark.parametrize("given_id", ["", "a b", "ä", "x" * 129, "a\nb: c"])
def test_an_id_that_cannot_travel_is_refused(server: Any, given_id: str) -> None:
    assert infer(server, id=given_id).status_code == 400


def test_no_rows_are_refused(server: Any) -> None:
    assert "no rows" in server.client.post("/endpoints/demand/invocations", json=[]).json()["error"]
    response = server.client.post("/endpoints/demand/invocations", content=b"", headers={"Content-Type": "text/csv"})
    assert response.status_code == 400


def test_a_body_that_is_too_large_is_refused_before_it_is_read(server: Any) -> None:
    with socket.create_connection(server.address, timeout=10) as plain:
        plain.sendall(b"POST /v2/models/demand/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        assert plain.recv(100).startswith(b"HTTP/1.1 413")


def test_a_body_of_unknown_length_that_grows_too_large_is_refused(server: Any) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 2**20

    with suppress(httpx.TransportError):  # the server may hang up while the client still sends
        assert server.client.post("/v2/models/demand/infer", content=endless()).status_code == 413
    assert server.infer({"x": 1, "n": 0, "shop": "a"}).status_code == 200


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v2/models/demand/infer HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v2/models/demand/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
        b"POST /endpoints/demand/invocations HTTP/1.1\r\nHost: x\r\nX-Loopwright-Key: \xff\xfe\r\n"
        b"Content-Length: 2\r\n\r\n[]",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: eA==\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n",
    ],
)
def test_garbage_on_the_socket_harms_nobody_else(server: Any, garbage: bytes) -> None:
    with socket.create_connection(server.address, timeout=3) as plain:
        plain.sendall(garbage)
        plain.shutdown(socket.SHUT_WR)
        answer = plain.recv(100)
    assert not answer.startswith(b"HTTP/1.1 5")
    assert server.infer({"x": 1, "n": 0, "shop": "a"}).status_code == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "n", "shop", "é", ""]), inner),
    max_leaves=8,
)
TENSOR = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["x", "n", "shop", "day", "é"]),
        "shape": st.lists(st.integers(-1, 3), max_size=3),
        "datatype": st.sampled_from(["FP64", "INT64", "BYTES", "BOOL", "NONE"]),
        "data": JSON | st.lists(JSON, max_size=3),
    }
)
SHAPES = st.sampled_from(["instances", "inputs", "dataframe_split", "dataframe_records", "columns", "data"])
ROWS = JSON | st.dictionaries(SHAPES, JSON | st.dictionaries(SHAPES, JSON))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TENSOR, max_size=4), JSON)
def test_whatever_tensors_come_the_answer_is_declared(server: Any, tensors: list[Any], request_id: Any) -> None:
    body = json.dumps({"inputs": tensors, "id": request_id}).encode()
    response = server.client.post("/v2/models/demand/infer", content=body)
    assert response.status_code in (200, 400, 422), response.text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS | st.lists(st.fixed_dictionaries({"x": JSON, "n": JSON, "shop": JSON})))
def test_whatever_json_comes_the_answer_is_declared(server: Any, document: Any) -> None:
    response = server.client.post("/endpoints/demand/invocations", content=json.dumps(document).encode())
    assert response.status_code in (200, 400, 422), response.text


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.sampled_from(["text/csv", "application/jsonlines", "application/json", "", "x/y;;="]))
def test_whatever_bytes_come_the_answer_is_declared(server: Any, body: bytes, kind: str) -> None:
    response = server.client.post("/endpoints/three/invocations", content=body, headers={"Content-Type": kind})
    assert response.status_code in (200, 400, 415, 422), response.text


def test_a_slow_prediction_does_not_stop_the_others(server: Any) -> None:
    slow = {"x": -2, "n": 0, "shop": "a"}
    body = orjson.dumps([slow])
    head = "POST /endpoints/demand/invocations HTTP/1.1\r\nHost: x\r\nX-Loopwright-Variant: champion\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(server.address, timeout=10) as waiting:
        waiting.sendall(head.encode() + body)
        assert server.client.get("/ping", timeout=0.5).status_code == 200
        other = server.client.post("/endpoints/binary/invocations", json=[{"x": 1, "n": 0, "shop": "a"}], timeout=0.5)
        assert other.status_code == 200
        assert waiting.recv(100).startswith(b"HTTP/1.1 200")


def test_status_and_metrics(server: Any) -> None:
    status = server.client.get("/status").json()
    assert status["revisions"] == {"demand": 1, "binary": 1, "three": 1}
    assert (status["faults"], status["dropped"], len(status["digests"]["demand"])) == ({}, 0, 64)
    server.infer({"x": 1, "n": 0, "shop": "a"}, headers={"X-Loopwright-Variant": "champion"})
    labels = 'endpoint="demand",variant="champion",version="1"'
    server.until(lambda: "loopwright_latency_seconds_count{" in server.client.get("/metrics").text)
    text = server.client.get("/metrics").text
    assert any(line.startswith("loopwright_requests_total{") and labels in line for line in text.splitlines())


def test_a_request_whose_client_left_before_its_turn_is_not_predicted(server: Any) -> None:
    def ask(x: float) -> socket.socket:
        body = orjson.dumps([{"x": x, "n": 0, "shop": "a"}])
        head = "POST /endpoints/demand/invocations HTTP/1.1\r\nHost: x\r\nX-Loopwright-Variant: champion\r\n"
        connection = socket.create_connection(server.address, timeout=10)
        connection.sendall(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return connection

    def in_flight() -> int:
        line = next(one for one in server.client.get("/metrics").text.splitlines() if "requests_in_flight{" in one)
        return int(float(line.split()[-1]))

    with ask(-2) as slow:
        server.until(lambda: in_flight() == 1)
        with ask(3):
            server.until(lambda: in_flight() == 2)
        server.until(lambda: in_flight() == 1)  # the second has gone while the first is still at it
        assert slow.recv(100).startswith(b"HTTP/1.1 200")
