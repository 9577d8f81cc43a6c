"""Traffic through a running server: shadows, outcomes, counts of all workers, flushing before the answer, the log."""

from __future__ import annotations

import gzip
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

Serve = Callable[..., Any]


def figure(text: str, name: str, **labels: str) -> float:
    """The sum of a figure's samples that have these labels."""
    return sum(
        one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
        if one.name == f"loopwright_{name}" and labels.items() <= one.labels.items()
    )


def metrics(server: Any) -> str:
    return httpx.get(f"{server.client.base_url}/metrics", trust_env=False).text  # a new connection: any worker


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def shadow_of(project: Any, model: Any = None, **more: Any) -> Any:
    return replace(project.bundle(model, version=2), name="shadow", shadow=True, **more)


def test_a_shadow_is_captured_and_touches_no_answer(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    project.release(project.bundle(), shadow_of(project, project.linear(10.0)))
    server = serve()
    ids = [server.infer(row).headers["x-loopwright-prediction-id"] for _ in range(20)]
    server.until(lambda: len(project.captured()) == 40)
    by_variant = {
        name: {one["prediction_id"]: one for one in project.captured() if one["variant"] == name}
        for name in ("champion", "shadow")
    }
    assert set(ids) == set(by_variant["champion"]) == set(by_variant["shadow"])
    assert {one["output.prediction"] for one in by_variant["champion"].values()} == {21.5}
    assert {one["output.prediction"] for one in by_variant["shadow"].values()} == {215.0}
    assert all(one["shadow"] == (one["variant"] == "shadow") for one in project.captured())
    server.until(lambda: sum(one["requests"] for one in project.summaries() if one["shadow"]) == 20)


def test_requests_that_name_their_variant_are_told_apart(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    challenger = replace(project.bundle(version=2), name="challenger", weight=50)
    project.release(replace(project.bundle(), weight=50), challenger)
    server = serve()
    for body in (row, {"x": [1, 2]}):
        for headers in ({"X-Amzn-SageMaker-Target-Variant": "challenger"}, {}):
            for _ in range(5):
                server.client.post("/endpoints/demand/invocations", json=[body], headers=headers)

    def counted(summary: dict[str, Any]) -> int:
        return int(summary["requests"]) + sum(summary["errors"].values())

    server.until(lambda: sum(map(counted, project.summaries())) == 20)
    named = [(one["variant"], one["named"]) for one in project.summaries() if one["named"]]
    assert {name for name, _ in named} == {"challenger"}
    assert sum(number for _, number in named) == 10


def test_a_shadow_that_hangs_is_noticed_and_holds_up_nobody(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    class Hangs:
        def predict(self, matrix: Any) -> Any:
            import time

            time.sleep(3600)

    project.release(project.bundle(), shadow_of(project, Hangs()))
    project.release(project.bundle(), shadow_of(project), endpoint="other")
    server = serve("--hang", "1")
    workers = children(server.process.pid)
    server.infer(row)
    server.until(lambda: figure(metrics(server), "shadows_hung") == 1)
    assert [server.infer(row).json() for _ in range(20)] == [{"predictions": [21.5]}] * 20
    server.client.post("/endpoints/other/invocations", json=[row])
    server.until(lambda: len(project.captured("other")) == 2)
    server.until(lambda: figure(metrics(server), "errors_total", endpoint="demand", kind="model") == 21)
    server.until(lambda: sum(one["errors"].get("model", 0) for one in project.summaries() if one["shadow"]) == 21)
    assert children(server.process.pid) == workers
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 8
    told = [line for line in server.log.read_text().splitlines() if "has not come back" in line]
    assert len(told) == 1
    assert "WARNING demand: the shadow shadow (version 2) has not come back for 1 s" in told[0]
    assert len(project.captured()) == 21


def test_a_shadow_that_fails_or_sleeps_is_its_own_trouble(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    class Sleeper:
        def predict(self, matrix: Any) -> Any:
            import time

            time.sleep(0.5)
            raise RuntimeError("no")

    project.release(project.bundle(), shadow_of(project, Sleeper()))
    server = serve()
    began = time.perf_counter()
    answers = [server.infer(row) for _ in range(50)]
    assert time.perf_counter() - began < 5  # one after the other the shadow alone takes 25 seconds
    assert {one.json()["predictions"][0] for one in answers} == {21.5}
    server.until(lambda: figure(metrics(server), "errors_total", variant="shadow", kind="model") >= 1)
    assert figure(metrics(server), "errors_total", variant="champion") == 0
    assert server.stop() == 0
    told = [one for one in project.summaries() if one["variant"] == "shadow"]
    assert sum(sum(one["errors"].values()) for one in told) == 50
    assert sum(one["requests"] for one in project.summaries() if one["variant"] == "champion") == 50


def test_any_worker_speaks_for_all_and_for_the_dead(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    project.release(project.bundle())
    server = serve("--workers", "2")
    server.until(lambda: figure(metrics(server), "workers") == 2)
    for _ in range(40):
        httpx.post(f"{server.client.base_url}/invocations", json=[row], trust_env=False)
    httpx.post(f"{server.client.base_url}/invocations", json=[{**row, "x": -1}], trust_env=False)
    server.until(lambda: figure(metrics(server), "requests_total") == 40)
    server.until(lambda: figure(metrics(server), "errors_total", kind="model") == 1)
    assert {figure(metrics(server), "latency_seconds_count") for _ in range(10)} == {40}
    os.kill(children(server.process.pid)[0], signal.SIGKILL)
    server.until(lambda: figure(metrics(server), "workers") == 2)
    assert {figure(metrics(server), "requests_total") for _ in range(10)} == {40}


def test_capture_lag_is_what_the_store_does_not_have(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    project.release(project.bundle())
    server = serve()
    blocker = Path(project.url) / "predictions"
    blocker.write_bytes(b"a file where a folder is needed")
    server.infer(row)
    server.until(lambda: figure(metrics(server), "capture_lag_seconds") > 1.5)
    blocker.unlink()
    server.until(lambda: figure(metrics(server), "capture_lag_seconds") == 0)


def test_outcomes_are_taken_while_the_store_is_away(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    project.release(project.bundle())
    server = serve()
    prediction = server.infer(row).headers["x-loopwright-prediction-id"]
    blocker = Path(project.url) / "outcomes"
    blocker.write_bytes(b"a file where a folder is needed")
    told = [{"prediction_id": prediction, "value": 20.0}, {"value": 1}]
    answer = server.client.post("/endpoints/demand/outcomes", json=told)
    assert answer.status_code == 202
    assert answer.json() == {"kept": 1, "refused": 1, "errors": [answer.json()["errors"][0]]}
    assert answer.json()["errors"][0].startswith("row 2: it names no prediction")
    blocker.unlink()
    server.until(lambda: len(list(project.storage.list("outcomes/demand/"))) == 1)
    (key,) = project.storage.list("outcomes/demand/")
    assert json.loads(project.storage.get(key))["prediction_id"] == prediction
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    packed = gzip.compress(json.dumps([{"prediction_id": prediction, "value": 21.0}]).encode())
    answer = server.client.post("/endpoints/demand/outcomes", content=packed, headers=headers)
    assert answer.json()["kept"] == 1
    assert server.client.post("/endpoints/demand/outcomes", json=[{"value": 1}]).status_code == 400
    assert server.client.post("/endpoints/nothing/outcomes", json=told).status_code == 404
    assert server.client.get("/endpoints/demand/outcomes").status_code == 405


def test_what_was_captured_is_in_the_store_before_the_answer(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    project.release(project.bundle())
    server = serve("--flush", "answer", "--window", "60")
    for count in range(1, 6):
        prediction = server.infer(row).headers["x-loopwright-prediction-id"]
        assert prediction in {one["prediction_id"] for one in project.captured()}
        assert sum(one["requests"] for one in project.summaries()) == count
    server.infer({**row, "x": -1})
    assert sum(one["errors"].get("model", 0) for one in project.summaries()) == 1
    server.client.post("/endpoints/demand/outcomes", json={"prediction_id": prediction, "value": 1})
    assert len(list(project.storage.list("outcomes/demand/"))) == 1


def test_a_refused_request_is_a_line_of_json(project: Any, serve: Serve, row: dict[str, Any]) -> None:
    project.release(project.bundle())
    server = serve("--log", "json")
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"x-loopwright-prediction-id": "p-1", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    assert server.infer(row).status_code == 200
    assert server.infer({**row, "x": -1}, headers=headers).status_code == 422
    server.until(lambda: trace in server.log.read_text())
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    (refused,) = [one for one in lines if "status" in one]
    assert refused.items() >= {
        "level": "info", "status": 422, "prediction_id": "p-1", "trace_id": trace, "method": "POST",
        "path": "/endpoints/demand/invocations",
    }.items()  # fmt: skip
    assert "x is -1" in refused["message"]
