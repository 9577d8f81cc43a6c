"""Real servers in trouble: workers that hang or are killed, shutdowns that something stands in the way of."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

Serve = Callable[..., Any]


def troubled_model() -> Any:
    """`x`; at -1 it sleeps for ever, at -2 it does so and lets no other thread of the process work, at -3 for 3 s; at
    -4 it tells whether MLflow is in memory.
    """

    class Troubled:
        def predict(self, matrix: Any) -> Any:
            import ctypes
            import sys
            import time

            x = matrix[:, 0].copy()
            if -1 in x:
                time.sleep(3600)
            if -2 in x:
                ctypes.PyDLL(None).sleep(3600)
            if -3 in x:
                time.sleep(3)
            x[x == -4] = "mlflow" in sys.modules
            return x

    return Troubled()


@pytest.mark.parametrize("trouble", [-1, -2])
def test_a_worker_that_hangs_is_replaced_and_what_is_lost_is_said(
    project: Any, serve: Serve, row: dict[str, Any], trouble: int
) -> None:
    project.release(project.bundle(troubled_model()))
    server = serve("--hang", "1.5")
    (worker,) = children(server.process.pid)
    assert server.infer(row).json() == {"predictions": [1.5]}
    server.until(lambda: len(project.captured()) == 1)
    with pytest.raises(httpx.TransportError):
        server.infer({**row, "x": trouble})
    assert server.infer(row).json() == {"predictions": [1.5]}
    assert children(server.process.pid) != [worker]
    said = server.log.read_text()
    assert "worker 1 has not come back for" in said
    assert "its requests in flight are lost" in said
    assert server.stop() == 0
    assert len(project.captured()) == 2


def test_a_long_prediction_is_no_hang(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    project.release(project.bundle(troubled_model()))
    server = serve("--hang", "5")
    assert server.infer({**row, "x": -3}).json() == {"predictions": [-3.0]}
    assert "has not come back" not in server.log.read_text()


def test_workers_killed_together_are_replaced_within_a_second(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    project.release(project.bundle())
    server = serve("--workers", "3")
    before = children(server.process.pid)
    server.until(lambda: len(list(project.storage.list("status/"))) == 3)
    killed = time.monotonic()
    for worker in before:
        os.kill(worker, signal.SIGKILL)
    server.until(lambda: len(set(children(server.process.pid)) - set(before)) == 3)
    assert time.monotonic() - killed < 1
    server.wait_for()
    assert server.stop() == 0


def test_who_connects_while_a_worker_is_replaced_waits_and_is_answered(
    project: Any, serve: Serve, row: dict[str, Any]
) -> None:
    project.release(project.bundle())
    server = serve()
    (worker,) = children(server.process.pid)
    os.kill(worker, signal.SIGKILL)
    url = f"{server.client.base_url}/invocations"
    answers = [httpx.post(url, json=[row], trust_env=False, timeout=10) for _ in range(20)]
    assert {one.status_code for one in answers} == {200}


def test_a_connection_that_never_ends_its_request_does_not_keep_the_server_from_ending(
    project: Any, serve: Serve, row: dict[str, Any]
) -> None:
    project.release(project.bundle())
    server = serve("--drain", "2")
    with socket.create_connection(server.address) as half, socket.create_connection(server.address) as silent:
        half.sendall(b"POST /endpoints/demand/invocations HTTP/1.1\r\nHost:")
        silent.sendall(b"POST /endpoints/demand/invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        assert server.infer(row).status_code == 200
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 4
    assert len(project.captured()) == 1


def test_a_prediction_that_outlasts_the_time_to_drain_is_given_up_and_captures_are_kept(
    project: Any, serve: Serve, row: dict[str, Any]
) -> None:
    project.release(project.bundle(troubled_model()))
    server = serve("--drain", "4")
    assert server.infer(row).status_code == 200
    failed = threading.Event()

    def ask() -> None:
        with suppress(httpx.TransportError):
            server.infer({**row, "x": -1})
        failed.set()

    threading.Thread(target=ask).start()
    server.until(lambda: '"} 1' in server.client.get("/metrics").text.split("requests_in_flight{")[1].split("\n")[0])
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 6
    assert failed.wait(5)
    assert "1 requests in flight are not answered" in server.log.read_text()
    assert len(project.captured()) == 1


def test_ctrl_c_reaches_all_processes_and_is_no_failure(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    project.release(project.bundle())
    server = serve("--workers", "2")
    server.until(lambda: len(list(project.storage.list("status/"))) == 2)
    for pid in (*children(server.process.pid), server.process.pid):
        os.kill(pid, signal.SIGINT)
    assert server.process.wait(timeout=20) == 0


def test_a_worker_starts_fast_and_stays_small_and_mlflow_is_not_imported(
    project: Any, serve: Serve, row: dict[str, Any]
) -> None:
    project.release(project.bundle(troubled_model()))
    began = time.monotonic()
    server = serve()
    assert time.monotonic() - began < 2
    for _ in range(50):
        assert server.infer({**row, "x": -4}).json() == {"predictions": [0.0]}
    (worker,) = children(server.process.pid)
    assert resident_mb(worker) < 200


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024
