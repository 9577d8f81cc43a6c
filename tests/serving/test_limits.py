"""A real server and clients that are slow, cut off, endless or senseless: declared answers, and no growth of memory."""

from __future__ import annotations

import gzip
import json
import math
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

BODY_SECONDS, IDLE_SECONDS = 1.5, 3.0
POST = b"POST /endpoints/demand/invocations HTTP/1.1\r\nHost: x\r\n"
ROW = {"x": 1.5, "n": 2, "shop": "a"}
GROWTH_MB = 120
"""More than this the server may not grow while a test goes on: some 100,000 rows that wait to be captured."""


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One server with tight limits for the module, and the project that it serves."""
    kit = request.config.pluginmanager
    conftest = next(plugin for plugin in kit.get_plugins() if hasattr(plugin, "start_server"))
    project = conftest.Project(tmp_path_factory.mktemp("project"))
    project.release(project.bundle())
    limits = ("--body", str(BODY_SECONDS), "--idle", str(IDLE_SECONDS))
    server = conftest.start_server(project, tmp_path_factory.mktemp("server"), *limits)
    server.wait_for()
    server.project = project
    assert server.infer(ROW).status_code == 200
    server.until(lambda: len(project.captured()) == 1)  # all that is imported and started late is there now
    yield server
    assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()
    server.client.close()


@pytest.fixture
def server(running: Any) -> Iterator[Any]:
    """The same for each test: in the end it must answer a good request rightly, by the same process, not grown."""
    (worker,) = children(running.process.pid)
    for _ in range(3):
        assert running.infer(ROW).json() == {"predictions": [21.5]}
    before = resident_mb(worker)
    yield running
    assert running.infer(ROW).json() == {"predictions": [21.5]}
    running.until(lambda: post(running, b" " * 100_000).status_code == 400)  # no memory is held any more
    assert children(running.process.pid) == [worker]
    assert resident_mb(worker) - before < GROWTH_MB


def test_a_body_that_does_not_come_is_given_up(server: Any) -> None:
    with connect(server) as slow:
        slow.sendall(POST + b"Content-Length: 100\r\n\r\n[")
        began = time.monotonic()
        answer = read_all(slow)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"did not come within 1.5 s" in answer
    assert BODY_SECONDS <= time.monotonic() - began < BODY_SECONDS + 2


def test_a_chunked_body_that_trickles_is_given_up(server: Any) -> None:
    with connect(server) as slow:
        slow.sendall(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        with suppress(OSError):
            for _ in range(30):
                slow.sendall(b"1\r\n \r\n")
                time.sleep(0.1)
        assert read_all(slow).startswith(b"HTTP/1.1 408")


def test_others_are_answered_while_hundreds_are_slow(server: Any) -> None:
    slow = [connect(server) for _ in range(400)]
    for number, one in enumerate(slow):
        one.sendall((POST, POST + b"Content-Length: 9\r\n\r\n[", b"", b"G")[number % 4])
    began = time.monotonic()
    assert server.infer(ROW).status_code == 200
    assert time.monotonic() - began < 1
    for one in slow:
        read_all(one)  # each is closed by the server, in time
        one.close()
    assert time.monotonic() - began < IDLE_SECONDS + 3


def test_idle_connections_are_closed_in_time(server: Any) -> None:
    with connect(server) as idle:
        idle.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
        began = time.monotonic()
        assert read_all(idle).startswith(b"HTTP/1.1 200")
        assert IDLE_SECONDS - 0.5 < time.monotonic() - began < IDLE_SECONDS + 2


def test_who_does_not_take_the_answers_is_hung_up_on(server: Any) -> None:
    body = json.dumps([ROW] * 1000).encode()
    request = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(server.address)
        deaf.settimeout(10 * BODY_SECONDS)
        began = time.monotonic()
        with pytest.raises(OSError, match=r"reset|pipe"):  # not a timeout
            deaf.sendall(request * 1000)
        assert time.monotonic() - began < 10 * BODY_SECONDS


@pytest.mark.parametrize(
    "ending",
    [b"", b"3\r\nxy", b"zz\r\n", b"0\r\n", b"0\r\nTrailer: x\r\n"],
    ids=["no end", "in a chunk", "no size", "in the end", "in its trailers"],
)
def test_rows_of_a_body_that_was_cut_off_are_not_predicted(server: Any, ending: bytes) -> None:
    """CSV has no end of its own: cut off, it would look whole."""
    rows, name = b"x,n,shop\n1,2,a\n", ending.hex() or "0"
    head = POST + b"Content-Type: text/csv\r\nTransfer-Encoding: chunked\r\nX-Loopwright-Prediction-Id: "
    sent = b"\r\n\r\n%x\r\n" % len(rows) + rows + b"\r\n"
    with connect(server) as cut:
        cut.sendall(head + f"cut-{name}".encode() + sent + ending)
        cut.shutdown(socket.SHUT_WR)
        assert read_all(cut)[:12] in (b"HTTP/1.1 400", b"")
    with connect(server) as whole:
        whole.sendall(head + f"whole-{name}".encode() + sent + b"0\r\nTrailer: x\r\n\r\n")
        assert whole.recv(4096).endswith(b'{"predictions":[21.0]}')
    server.until(lambda: f"whole-{name}" in captured(server))
    assert f"cut-{name}" not in captured(server)


def test_a_client_that_resets_its_connection_amid_a_body_does_no_harm(server: Any) -> None:
    for _ in range(50):
        with connect(server) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(POST + b"Content-Length: 100\r\n\r\n[")


def test_bodies_of_100_mb_are_refused_unread(server: Any) -> None:
    (worker,) = children(server.process.pid)
    before = resident_mb(worker)
    for head in (b"Content-Length: 104857600\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"):
        with connect(server) as client:
            client.sendall(POST + head)
            with suppress(OSError):
                for _ in range(100):
                    client.sendall((b"" if b"Length" in head else b"100000\r\n") + b" " * 2**20 + b"\r\n")
            with suppress(OSError):
                assert client.recv(100).startswith(b"HTTP/1.1 413")
    assert resident_mb(worker) - before < GROWTH_MB


def test_what_unpacks_to_100_mb_is_refused(server: Any) -> None:
    bomb = gzip.compress(b" " * 100_000_000)
    response = post(server, bomb, {"Content-Encoding": "gzip"})
    assert (response.status_code, "unpacked" in response.json()["error"]) == (413, True)


def test_too_many_large_bodies_at_once_are_turned_away(server: Any) -> None:
    held = [connect(server) for _ in range(4)]
    for one in held:
        one.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 33554432\r\n\r\n")
        assert one.recv(100).startswith(b"HTTP/1.1 100")  # it waits for the body now
    assert post(server, b" " * 70_000).status_code == 503
    assert server.infer(ROW).status_code == 200  # small ones are not
    for one in held:
        one.close()
    server.until(lambda: post(server, b" " * 70_000).status_code == 400)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (POST + b"Content-Length: -1\r\n\r\n", b"400"),
        (POST + b"Content-Length: abc\r\n\r\n", b"400"),
        (POST + b"Content-Length: +2\r\n\r\n[]", b"400"),
        (POST + b"Content-Length: 2, 2\r\n\r\n[]", b"400"),
        (POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n[]", b"400"),
        (POST + b"Content-Length: 9223372036854775807\r\n\r\n", b"413"),
        (POST + b"Content-Length: 99999999999999999999\r\n\r\n", b"400"),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", b"400"),
        (POST + b"\r\n", b"400"),
        (POST + b"Content-Length: 0\r\n\r\n", b"400"),
        (b"GET /v2 HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 1_000_000 + b"\r\n\r\n", b"431"),
        (b"GET /v2 HTTP/1.1\r\nHost: x\r\n" + b"".join(b"A%d: x\r\n" % one for one in range(500)) + b"\r\n", b"431"),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET /v2/models/%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"GET /v2/../status HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"BREW /endpoints/demand/invocations HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"PUT /endpoints/demand/invocations HTTP/1.1\r\nHost: x\r\n\r\n", b"405"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400"),
    ],
)
def test_heads_that_make_no_sense(server: Any, head: bytes, status: bytes) -> None:
    with connect(server) as client:
        client.settimeout(IDLE_SECONDS + 2)
        with suppress(OSError):
            client.sendall(head)
        answer = client.recv(100)
    assert answer[9:12] == status


def test_a_length_beside_chunks_does_not_hide_what_follows(server: Any) -> None:
    """Chunks count, and the connection is closed: no second request can be smuggled in."""
    body = json.dumps([ROW]).encode()
    head = POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connect(server) as client:
        client.sendall(head + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\nGET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_all(client).count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "value",
    [
        "NaN", "Infinity", "-Infinity", "1e999", "1" * 5000, "-" + "9" * 400, '"\\ud800"', '"\\u0000"', "{}", "[[1]]",
        "true", '"1e400"', "1e-999", '"' + "é" * 100_000 + '"',
    ],
)  # fmt: skip
def test_values_at_the_edge_are_answered_or_refused(server: Any, value: str) -> None:
    for column in ("x", "n", "shop"):
        row = ", ".join(f'"{name}": {value if name == column else json.dumps(ROW[name])}' for name in ROW)
        assert post(server, f"[{{{row}}}]".encode()).status_code in (200, 400)
        datatype = "BYTES" if column == "shop" else "FP64"
        tensors = ", ".join(
            f'{{"name": "{name}", "shape": [1], "datatype": "{datatype if name == column else "BYTES"}", '
            f'"data": [{value if name == column else json.dumps(str(ROW[name]))}]}}'
            for name in ROW
        )
        response = server.client.post("/v2/models/demand/infer", content=f'{{"inputs": [{tensors}]}}'.encode())
        assert response.status_code in (200, 400)


@pytest.mark.parametrize("deep", ["[" * 1_000_000, '{"a":' * 200_000, "[" * 500 + "]" * 500, '[{"x":' * 300])
def test_deep_documents_are_refused(server: Any, deep: str) -> None:
    assert post(server, deep.encode()).status_code == 400
    assert server.client.post("/v2/models/demand/infer", content=deep.encode()).status_code == 400
    nested = f'{{"inputs": [{{"name": "x", "shape": [1], "datatype": "FP64", "data": {deep}}}]}}'
    assert server.client.post("/v2/models/demand/infer", content=nested.encode()).status_code == 400


def test_a_column_twice_in_an_object_counts_once(server: Any) -> None:
    response = post(server, b'[{"x": "no number", "n": 2, "shop": "a", "x": 1.5}]')
    assert response.json() == {"predictions": [21.5]}


@pytest.mark.parametrize("shape", [[2**62, 2**62], [10**15], [0, 10**15], [2**63 - 1, 1]])
def test_shapes_beyond_all_memory_are_refused(server: Any, shape: list[int]) -> None:
    for extra in ({"data": []}, {"data": [1.0]}, {"parameters": {"binary_data_size": 8}}):
        body = json.dumps({"inputs": [{"name": "x", "shape": shape, "datatype": "FP64", **extra}]}).encode()
        headers = {"Inference-Header-Content-Length": str(len(body))}
        sent = body + (b"\0" * 8 if "parameters" in extra else b"")
        assert server.client.post("/v2/models/demand/infer", content=sent, headers=headers).status_code == 400


@pytest.mark.parametrize("said", ["0", "-1", "1.5", "soon", "", "9" * 30])
def test_a_time_to_answer_that_is_no_time_is_refused(server: Any, said: str) -> None:
    response = post(server, json.dumps([ROW]).encode(), {"X-Request-Timeout-Ms": said.encode()})
    assert (response.status_code, "X-Request-Timeout-Ms" in response.json()["error"]) == (400, True)


def test_a_request_whose_time_is_over_before_its_turn_is_told_so(server: Any) -> None:
    body = json.dumps([{**ROW, "x": -2}]).encode()  # takes a second
    with connect(server) as busy:
        busy.sendall(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        server.until(lambda: "in_flight{" in server.client.get("/metrics").text)
        time.sleep(0.2)
        late = post(server, json.dumps([ROW]).encode(), {"X-Request-Timeout-Ms": "100"})
        assert late.status_code == 504
        assert busy.recv(100).startswith(b"HTTP/1.1 200")
    assert post(server, json.dumps([ROW]).encode(), {"X-Request-Timeout-Ms": "5000"}).status_code == 200


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.booleans())
def test_whatever_comes_on_the_socket_the_server_stands(server: Any, garbage: bytes, headed: bool) -> None:
    with connect(server) as client:
        client.sendall((POST if headed else b"") + garbage + b"\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        with suppress(OSError):
            assert not client.recv(100).startswith(b"HTTP/1.1 5")


NUMBERS = st.floats(width=64) | st.floats(width=32) | st.integers() | st.sampled_from([math.nan, math.inf, -math.inf])
RAW = st.sampled_from(["FP64", "FP32", "FP16", "BF16", "INT64", "INT8", "UINT64", "BOOL", "BYTES"])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(["x", "n", "shop", "day", "open"]), RAW, st.binary(max_size=40)), max_size=5),
    st.lists(st.integers(-2, 9), min_size=1, max_size=2),
    st.integers(-3, 3),
)
def test_whatever_bytes_are_called_tensors_the_answer_is_declared(
    server: Any, tensors: list[tuple[str, str, bytes]], shape: list[int], off: int
) -> None:
    inputs = [
        {"name": name, "shape": shape, "datatype": kind, "parameters": {"binary_data_size": len(raw)}}
        for name, kind, raw in tensors
    ]
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head) + off)}
    body = head + b"".join(raw for *_, raw in tensors)
    response = server.client.post("/v2/models/demand/infer", content=body, headers=headers)
    assert response.status_code in (200, 400, 422), response.text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries({"x": NUMBERS, "n": NUMBERS, "shop": st.text() | NUMBERS}), min_size=1))
def test_whatever_numbers_come_the_answer_is_declared(server: Any, rows: list[dict[str, Any]]) -> None:
    response = post(server, json.dumps(rows).encode())
    assert response.status_code in (200, 400, 422), response.text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(
        ["content-type", "accept", "accept-encoding", "content-encoding", "x-loopwright-key", "x-loopwright-variant",
         "x-loopwright-prediction-id", "x-amzn-sagemaker-custom-attributes", "x-amzn-sagemaker-target-variant",
         "traceparent", "authorization", "inference-header-content-length", "x-request-timeout-ms", "expect"]
    ),
    st.binary(max_size=60).map(lambda raw: bytes(one for one in raw if one not in (0, 10, 13))),
)  # fmt: skip
def test_whatever_headers_say_the_answer_is_declared(server: Any, name: str, value: bytes) -> None:
    body = json.dumps([ROW]).encode()
    with connect(server) as client:
        client.sendall(POST + name.encode() + b": " + value + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        assert client.recv(100)[9:10] in (b"1", b"2", b"4")


def post(server: Any, body: bytes, headers: dict[str, Any] | None = None) -> httpx.Response:
    response: httpx.Response = server.client.post("/endpoints/demand/invocations", content=body, headers=headers)
    return response


def connect(server: Any) -> socket.socket:
    return socket.create_connection(server.address, timeout=15)


def read_all(connection: socket.socket) -> bytes:
    """Until the server hangs up."""
    found = b""
    with suppress(ConnectionError):
        while more := connection.recv(65536):
            found += more
    return found


def captured(server: Any) -> set[str]:
    return {one["prediction_id"] for one in server.project.captured()}


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
