"""A real server process: it answers, follows revisions, captures what it answered, and ends in order."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from loopwright.core.codec import from_json
from loopwright.traffic.status import ServerStatus

Serve = Callable[..., Any]


def test_what_was_answered_is_captured_when_the_server_ends(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    project.release(project.bundle(version=3))
    server = serve()
    for number in range(30):
        response = server.infer({**row, "n": number}, headers={"X-Loopwright-Prediction-Id": f"p{number}"})
        assert response.status_code == 200, response.text
        assert response.json() == {"predictions": [1.5 + 10 * number]}
    assert server.stop() == 0, server.log.read_text()
    captured = {one["prediction_id"]: one for one in project.captured()}
    assert {name: one["output.prediction"] for name, one in captured.items()} == {
        f"p{number}": 1.5 + 10 * number for number in range(30)
    }
    assert sum(one["requests"] for one in project.summaries()) == 30


def test_a_revision_is_switched_without_a_failed_request(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    bundles = [project.bundle(project.linear(float(scale)), version=scale) for scale in (1, 2, 3)]
    project.release(bundles[0])
    server = serve()
    stop, failures, seen = threading.Event(), [], set()

    def load() -> None:
        with httpx.Client(base_url=server.client.base_url, timeout=10, trust_env=False) as client:
            while not stop.is_set():
                response = client.post("/endpoints/demand/invocations", json=[row])
                version = int(response.headers.get("x-loopwright-version", 0))
                seen.add(version)
                if response.status_code != 200 or response.json() != {"predictions": [21.5 * version]}:
                    failures.append(response.text)

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number, bundle in enumerate((*bundles[1:], *bundles), start=2):
        project.release(bundle)
        server.wait_for_revision(number)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert seen == {1, 2, 3}


def test_a_corrupt_new_bundle_is_reported_and_the_old_one_serves_on(project: Any, serve: Serve, row: Any) -> None:
    project.release(project.bundle())
    server = serve()
    bad = project.bundle()
    project.storage.put(f"{bad.bundle}/encoding.json", b"{}")
    project.release(bad)
    server.until(lambda: "demand" in server.client.get("/status").json()["faults"])
    assert server.infer(row).status_code == 200

    def reported() -> bool:
        (key,) = project.storage.list("status/")
        status = from_json(project.storage.get(key), ServerStatus)
        return status.revisions == {"demand": 1} and "encoding.json" in status.faults.get("demand", "")

    server.until(reported)
    server.stop()
    assert list(project.storage.list("status/")) == []


def test_capture_and_summaries_come_while_the_server_runs(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    project.release(project.bundle())
    server = serve()
    for _ in range(10):
        server.infer(row)
    server.infer({**row, "x": -1})
    server.until(lambda: len(project.captured()) == 10)
    server.until(lambda: sum(one["requests"] for one in project.summaries()) == 10)
    server.until(lambda: [one["errors"] for one in project.summaries() if one["errors"]] == [{"model": 1}])


def test_a_worker_that_is_killed_is_replaced_and_loses_a_second_at_most(project: Any, serve: Serve, row: Any) -> None:
    project.release(project.bundle())
    server = serve()
    for number in (1, 2):  # twice in a row: the supervisor does not give up
        server.infer(row)
        server.until(lambda number=number: len(project.captured()) == number)
        (worker,) = children(server.process.pid)
        os.kill(worker, signal.SIGKILL)
        server.until(lambda worker=worker: children(server.process.pid) not in ([], [worker]))
        server.wait_for()
    assert server.infer(row).status_code == 200
    assert server.stop() == 0
    assert len(project.captured()) == 3


def test_several_workers_answer_and_capture_together(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    project.release(project.bundle())
    server = serve("--workers", "2")
    server.until(lambda: len(list(project.storage.list("status/"))) == 2)
    for _ in range(40):
        assert httpx.post(f"{server.client.base_url}/invocations", json=[row], trust_env=False).status_code == 200
    assert server.stop() == 0
    assert len(project.captured()) == len({one["prediction_id"] for one in project.captured()}) == 40


def test_a_request_in_flight_is_answered_when_the_server_ends(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    project.release(project.bundle())
    server = serve()
    slow = {**row, "x": -2, "n": 0}
    server.infer(slow)  # now the server knows what it costs, and answers others meanwhile
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(server.infer(slow)))
    thread.start()
    server.until(lambda: re.search(r"loopwright_requests_in_flight{.*} 1\n", server.client.get("/metrics").text))
    assert server.stop() == 0
    thread.join()
    assert answers[0].json() == {"predictions": [-2.0]}
    assert len(project.captured()) == 2


def test_captures_wait_on_disk_while_the_store_refuses(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    project.release(project.bundle())
    server = serve()
    blocker = Path(project.url) / "predictions"
    blocker.write_bytes(b"a file where a folder is needed")
    for _ in range(5):
        assert server.infer(row).status_code == 200
    server.until(lambda: "captures wait" in server.log.read_text())
    blocker.unlink()
    server.until(lambda: len(project.captured()) == 5)


def test_what_a_killed_server_had_spooled_is_sent_by_the_next(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    project.release(project.bundle())
    server = serve()
    blocker = Path(project.url) / "predictions"
    blocker.write_bytes(b"")
    server.infer(row)
    server.until(lambda: "captures wait" in server.log.read_text())
    for pid in (*children(server.process.pid), server.process.pid):
        os.kill(pid, signal.SIGKILL)
    server.process.wait()
    blocker.unlink()
    heir = serve()
    heir.until(lambda: len(project.captured()) == 1)


def test_a_server_comes_up_before_its_endpoint_exists(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    server = serve("--endpoint", "demand", wait=False)
    server.wait_for("/v2/health/live")
    assert f"endpoint demand is not deployed in {project.url} yet" in server.log.read_text()
    assert server.client.get("/ping").status_code == 503
    assert server.infer(row).status_code == 404
    project.release(project.bundle())
    server.wait_for()
    assert server.infer(row).status_code == 200


def test_a_server_of_nothing_says_so(project: Any, serve: Serve) -> None:
    server = serve(wait=False)
    server.wait_for("/v2/health/live")
    assert f"nothing is deployed in {project.url} yet" in server.log.read_text()


def test_a_token_of_an_endpoint_that_is_not_there_is_told(project: Any, serve: Serve) -> None:
    project.release(project.bundle())
    server = serve(LOOPWRIGHT_ENDPOINT_TOKENS='{"demnad": "secret"}')
    assert "endpoint_tokens names demnad, which is no endpoint here yet (there are: demand)" in server.log.read_text()


def test_a_port_that_is_taken_is_an_error_that_names_it(project: Any, serve: Serve) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = serve("--port", str(port), wait=False)
        assert server.process.wait(timeout=20) == 1
    said = server.log.read_text()
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "choose another port" in said
    assert "Traceback" not in said


def test_a_second_server_on_the_same_port_is_refused(project: Any, serve: Serve) -> None:
    project.release(project.bundle())
    first = serve()
    second = serve("--port", str(first.address[1]), wait=False)
    assert second.process.wait(timeout=20) == 1


def test_a_store_that_cannot_be_opened_ends_the_server_with_the_reason(project: Any, serve: Serve) -> None:
    server = serve(wait=False, storage="ftp://nowhere")
    assert server.process.wait(timeout=20) == 1
    said = server.log.read_text()
    assert "storage 'ftp://nowhere' names no store" in said
    assert "Traceback" not in said


def test_beyond_loopback_a_token_is_required(project: Any, serve: Serve) -> None:
    project.release(project.bundle())
    refused = serve("--host", "0.0.0.0", wait=False, LOOPWRIGHT_TOKEN="")
    assert refused.process.wait(timeout=20) == 1
    assert "no token" in refused.log.read_text()
    server = serve("--host", "0.0.0.0", LOOPWRIGHT_TOKEN="secret")
    for path in ("/status", "/metrics", "/v2", "/v2/models/demand"):
        assert server.client.get(path).status_code == 401
    assert server.infer({}).status_code == 401
    assert server.client.get("/ping").status_code == 200
    for token, status in (("wrong", 401), ("sécret", 401), ("secret", 200)):
        headers = {"Authorization": f"Bearer {token}".encode()}
        assert server.client.get("/status", headers=headers).status_code == status


def test_a_server_started_with_a_parent_ends_with_it(project: Any, tmp_path: Path) -> None:
    project.release(project.bundle())
    script = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-m', 'loopwright.bootstrap.server',"
        " '--storage', sys.argv[1], '--spool', sys.argv[2], '--port', '0', '--with-parent']); print(p.pid, flush=True)"
        "; sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, project.url, str(tmp_path / "spool")]
    parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout
    server = int(parent.stdout.readline())
    wait_until(lambda: len(list(project.storage.list("status/"))) == 1)
    workers = children(server)
    parent.kill()
    parent.communicate()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in (server, *workers)))
    assert list(project.storage.list("status/")) == []


def test_workers_end_when_their_supervisor_is_killed(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    project.release(project.bundle())
    server = serve()
    server.infer(row)
    (worker,) = children(server.process.pid)
    server.process.kill()
    server.process.wait()
    wait_until(lambda: not Path(f"/proc/{worker}").exists())
    assert len(project.captured()) == 1


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
