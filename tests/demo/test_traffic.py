"""Traffic: asks for every row, counts what fails, and turns to other rows without a pause."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from loopwright.demo.traffic import Traffic
from loopwright.errors import HostingError


class Endpoint(ThreadingHTTPServer):
    """Answers each row with twice its x; refuses requests that hold a bad row."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Door)
        self.seen: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Endpoint

    def do_GET(self) -> None:
        self._reply(200 if self.path == "/v2/models/doubler/ready" else 404, {})

    def do_POST(self) -> None:
        assert self.path == "/endpoints/doubler/invocations"
        rows = json.loads(self.rfile.read(int(self.headers["content-length"])))["instances"]
        self.server.seen += rows
        bad = any(row.get("bad") for row in rows)
        self._reply(400 if bad else 200, {"error": "bad"} if bad else {"predictions": [2 * row["x"] for row in rows]})

    def log_message(self, *_: object) -> None:
        pass

    def _reply(self, status: int, answer: dict[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-loopwright-version", "7")
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = Endpoint()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def wait_for(done: Any) -> None:
    end = time.monotonic() + 10
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_each_row_is_answered_in_its_order_and_counted(endpoint: Endpoint) -> None:
    rows = [{"x": x} for x in range(21)]
    with Traffic(endpoint.url, "doubler", batch=8) as traffic:
        assert traffic.ready()
        assert traffic.ask(rows) == [2 * x for x in range(21)]
    assert (traffic.tally.sent, traffic.tally.failed, dict(traffic.tally.versions)) == (3, 0, {7: 3})
    assert endpoint.seen == rows


def test_a_refused_request_is_an_error_for_who_asked_and_counts_as_failed(endpoint: Endpoint) -> None:
    with Traffic(endpoint.url, "doubler", batch=1) as traffic:
        with pytest.raises(HostingError, match="400"):
            traffic.ask([{"x": 1}, {"x": 2, "bad": True}])
        assert (traffic.tally.sent, traffic.tally.failed) == (2, 1)
        assert "400" in traffic.tally.first_fault


def test_a_flow_repeats_its_rows_and_turns_to_others(endpoint: Endpoint) -> None:
    with Traffic(endpoint.url, "doubler", per_second=500, batch=2) as traffic:
        traffic.flow([{"x": 1}, {"x": 2}, {"x": 3}])
        wait_for(lambda: len(endpoint.seen) >= 9)
        assert {row["x"] for row in endpoint.seen} == {1, 2, 3}
        traffic.flow([{"x": 9}])
        wait_for(lambda: endpoint.seen[-1] == {"x": 9})
    assert traffic.tally.failed == 0
    after = endpoint.seen[next(i for i, row in enumerate(endpoint.seen) if row == {"x": 9}) :]
    assert all(row == {"x": 9} for row in after)


def test_a_server_that_is_not_there_counts_as_failed() -> None:
    with Traffic("http://127.0.0.1:9", "doubler") as traffic:
        assert not traffic.ready()
        with pytest.raises(HostingError, match="Connect"):
            traffic.ask([{"x": 1}])
    assert traffic.tally.failed == 1
