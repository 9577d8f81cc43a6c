"""A real server's gRPC door, asked by Triton's own client: answers, refusals, and what is captured of them."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from queue import Queue
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

from loopwright.serving.grpc_messages import MESSAGES

METHOD = "/inference.GRPCInferenceService/ModelInfer"


@pytest.fixture(scope="module")
def server(kit: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A regression with two variants (`demand`) and a three-class model, and two workers on one gRPC port."""
    project = kit.Project(tmp_path_factory.mktemp("project"))
    challenger = replace(project.bundle(kit.linear_model(2.0), version=2), name="challenger")
    project.release(replace(project.bundle(version=1), weight=70), replace(challenger, weight=30))
    classes = ("a", "b", "c")
    project.release(project.bundle(kit.classifier(3), task="multiclass", classes=classes), endpoint="three")
    port = kit.free_port()
    folder = tmp_path_factory.mktemp("server")
    running = kit.start_server(project, folder, "--grpc-port", str(port), "--workers", "2")
    running.wait_for()
    running.grpc, running.project = f"127.0.0.1:{port}", project
    with grpc.insecure_channel(running.grpc) as channel:
        grpc.channel_ready_future(channel).result(timeout=15)
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()
    running.client.close()


@pytest.fixture
def client(server: Any) -> Iterator[Any]:
    with triton.InferenceServerClient(server.grpc) as made:
        yield made


@pytest.fixture
def start(kit: Any, project: Any, serve: Any) -> Any:
    """Start a server of one regression, `demand`, with a gRPC port and these options."""
    project.release(project.bundle())

    def started(*options: str) -> Any:
        port = kit.free_port()
        running = serve("--grpc-port", str(port), *options)
        running.grpc = f"127.0.0.1:{port}"
        return running

    return started


def columns(rows: int = 2) -> list[Any]:
    """Inputs for rows x = 1.5, 2.5, …, n = 2 and two shops, as Triton's client sends them: raw."""
    x = np.arange(rows) + 1.5
    shops = np.array([b"a", b"new"] * rows, dtype=np.object_)[:rows]
    made = []
    for name, kind, values in (("x", "FP64", x), ("n", "INT64", np.full(rows, 2)), ("shop", "BYTES", shops)):
        made.append(triton.InferInput(name, [rows], kind))
        made[-1].set_data_from_numpy(values)
    return made


def test_it_says_that_it_lives_and_what_it_serves(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("demand")
    assert client.is_model_ready("demand", "2")
    assert client.get_server_metadata().name == "loopwright"
    about = client.get_model_metadata("three")
    assert (about.name, list(about.versions), about.platform) == ("three", ["1"], "loopwright_python")
    assert [(one.name, one.datatype, list(one.shape)) for one in about.inputs][:3] == [
        ("x", "FP64", [-1]), ("n", "INT64", [-1]), ("shop", "BYTES", [-1])
    ]  # fmt: skip


def test_raw_tensors_are_answered_raw(client: Any) -> None:
    answer = client.infer("demand", columns(), model_version="1", request_id="mine")
    np.testing.assert_array_equal(answer.as_numpy("prediction"), [21.5, 22.5])
    said = answer.get_response()
    assert (said.model_name, said.model_version, said.id) == ("demand", "1", "mine")
    assert (said.parameters["variant"].string_param, said.parameters["revision"].int64_param) == ("champion", 1)
    assert len(said.raw_output_contents) == 1


def test_typed_tensors_are_answered_typed(server: Any) -> None:
    inputs = [
        {"name": "x", "datatype": "FP64", "shape": [2], "contents": {"fp64_contents": [1.5, 2.5]}},
        {"name": "n", "datatype": "INT64", "shape": [2, 1], "contents": {"int64_contents": [2, 2]}},
        {"name": "shop", "datatype": "BYTES", "shape": [2], "contents": {"bytes_contents": [b"a", b"new"]}},
    ]
    answer, _ = ask(server, model_name="demand", model_version="2", inputs=inputs)
    (output,) = answer.outputs
    assert (output.name, output.datatype, list(output.shape)) == ("prediction", "FP64", [2])
    assert list(output.contents.fp64_contents) == [43.0, 45.0]
    assert not answer.raw_output_contents


def test_outputs_are_those_that_are_asked_for(client: Any, server: Any) -> None:
    answer = client.infer("three", columns(), outputs=[triton.InferRequestedOutput("label")])
    assert [one.name for one in answer.get_response().outputs] == ["label"]
    assert set(answer.as_numpy("label")) <= {b"a", b"b", b"c"}
    everything = client.infer("three", columns())
    assert [one.name for one in everything.get_response().outputs] == ["probabilities", "label"]
    over_http = server.client.post("/endpoints/three/invocations", json=[{"x": 1.5, "n": 2, "shop": "a"}]).json()
    assert over_http["predictions"][0]["probabilities"] == everything.as_numpy("probabilities")[0].tolist()


def test_metadata_says_who_answers_and_who_did(client: Any, server: Any) -> None:
    headers = {"x-loopwright-variant": "challenger", "x-loopwright-prediction-id": "by-header"}
    answer = client.infer("demand", columns(1), headers=headers)
    np.testing.assert_array_equal(answer.as_numpy("prediction"), [43.0])
    assert answer.get_response().id == "by-header"
    _, told = ask(server, (("x-loopwright-key", "k1"),), model_name="demand", **RAW)
    assert told["x-loopwright-variant"] in ("champion", "challenger")
    assert told["x-loopwright-prediction-id"]
    variants = {
        ask(server, (("x-loopwright-key", "k1"),), model_name="demand", **RAW)[1]["x-loopwright-variant"]
        for _ in range(10)
    }
    assert variants == {told["x-loopwright-variant"]}


def test_what_is_answered_is_captured(client: Any, server: Any) -> None:
    client.infer("demand", columns(1), request_id="kept")
    server.until(lambda: any(one["prediction_id"] == "kept" for one in server.project.captured()))


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({"model_name": "nobody"}, "NOT_FOUND", "there is no endpoint 'nobody': there are: demand, three"),
        ({"model_version": "9"}, "NOT_FOUND", "does not serve version '9'"),
        ({"metadata": {"x-loopwright-variant": "third"}}, "NOT_FOUND", "has no variant 'third'"),
        ({"inputs": columns()[:1]}, "INVALID_ARGUMENT", "'n', 'shop'"),
        ({"inputs": []}, "INVALID_ARGUMENT", "no input tensors: send one for each of x, n, shop, open, day"),
        ({"outputs": [triton.InferRequestedOutput("y")]}, "INVALID_ARGUMENT", "has no output 'y'"),
        ({"outputs": [triton.InferRequestedOutput("prediction", class_count=2)]}, "INVALID_ARGUMENT", "classification"),
        ({"request_id": "two words"}, "INVALID_ARGUMENT", "the prediction id is 'two words'"),
    ],
)
def test_a_mistake_is_told_with_its_status(client: Any, given: dict[str, Any], status: str, said: str) -> None:
    asked = {"model_name": "demand", "inputs": columns(), **given}
    asked["headers"] = asked.pop("metadata", None)
    with pytest.raises(InferenceServerException) as raised:
        client.infer(**asked)
    assert raised.value.status() == f"StatusCode.{status}"
    assert said in raised.value.message()


def test_a_model_that_fails_at_these_rows_is_no_fault_of_the_server(client: Any) -> None:
    inputs = columns(1)
    inputs[0].set_data_from_numpy(np.array([-1.0]))
    with pytest.raises(InferenceServerException, match="the model raised ValueError: x is -1") as raised:
        client.infer("demand", inputs)
    assert raised.value.status() == "StatusCode.INVALID_ARGUMENT"
    client.infer("demand", columns(1))


def test_garbage_is_refused_and_the_next_request_answered(server: Any) -> None:
    with grpc.insecure_channel(server.grpc) as channel:
        for garbage in (b"\xff\xff\xff", b"\x0a\xff", b"\x2a\x01\x0a"):
            with pytest.raises(grpc.RpcError) as raised:
                channel.unary_unary(METHOD)(garbage, timeout=10)
            assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert dict(raised.value.trailing_metadata())["x-loopwright-kind"] == "request"
    answer, _ = ask(server, model_name="demand", **RAW)
    assert len(answer.raw_output_contents) == 1


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_a_message_that_is_too_large_is_refused(server: Any, compression: grpc.Compression) -> None:
    with grpc.insecure_channel(server.grpc) as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary(METHOD)(bytes(33 * 1024 * 1024), timeout=20, compression=compression)
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_deadline_is_kept(client: Any) -> None:
    inputs = columns(1)
    inputs[0].set_data_from_numpy(np.array([-2.0]))  # sleeps for a second
    with pytest.raises(InferenceServerException) as raised:
        client.infer("demand", inputs, client_timeout=0.2)
    assert raised.value.status() == "StatusCode.DEADLINE_EXCEEDED"


def test_clients_that_leave_before_their_answer_are_not_told_as_errors(server: Any) -> None:
    with grpc.insecure_channel(server.grpc) as channel:
        nobody = channel.unary_unary("/inference.GRPCInferenceService/Nobody")
        asked = [nobody.future(b"", timeout=number / 100_000) for number in range(1, 400)]
        statuses = {one.code() for one in asked}
    assert statuses >= {grpc.StatusCode.DEADLINE_EXCEEDED}
    ask(server, model_name="demand", **RAW)
    assert "ExecuteBatchError" not in server.log.read_text()


def test_what_is_refused_is_logged_with_its_ids(client: Any, server: Any) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"x-loopwright-prediction-id": "lost", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    with pytest.raises(InferenceServerException):
        client.infer("nobody", columns(), headers=headers)
    told = f"status='NOT_FOUND' method='gRPC' path='{METHOD}' prediction_id='lost' trace_id='{trace}'"
    server.until(lambda: f"there is no endpoint 'nobody': there are: demand, three ({told})" in server.log.read_text())


def test_what_is_in_work_is_answered_before_the_end(start: Any, project: Any) -> None:
    running = start()
    with triton.InferenceServerClient(running.grpc) as client:
        inputs = columns(1)
        inputs[0].set_data_from_numpy(np.array([-2.0]))  # sleeps for a second
        answers: Queue[Any] = Queue()
        client.async_infer("demand", inputs, callback=lambda result, error: answers.put(result or error))
        running.until(
            lambda: re.search(r"requests_in_flight\{.*\} 1\n", running.client.get("/metrics").text) is not None
        )
        assert running.stop() == 0
        answer = answers.get(timeout=10)
    assert answer.as_numpy("prediction").tolist() == [18.0]
    assert len(project.captured()) == 1


def test_what_is_too_much_at_once_is_refused_and_answered_a_little_later(start: Any) -> None:
    running = start("--max-body", "1000000")
    with triton.InferenceServerClient(running.grpc) as client:
        answers: Queue[Any] = Queue()
        for _ in range(4):  # four of the largest may be in work at once
            client.async_infer("demand", bulky(-2.0), callback=lambda result, error: answers.put(result or error))
        running.until(lambda: in_flight(running) == 4)
        with pytest.raises(InferenceServerException, match="too many large bodies are in work") as raised:
            client.infer("demand", bulky(1.5))
        assert raised.value.status() == "StatusCode.UNAVAILABLE"
        over_http = running.client.post("/endpoints/demand/invocations", content=b" " * 900_000)
        assert over_http.status_code == 503  # the bound is one for all doors
        assert client.infer("demand", columns(1)).as_numpy("prediction").tolist() == [21.5]  # small ones are not
        held = [answers.get(timeout=15) for _ in range(4)]
        assert [one.as_numpy("prediction").tolist() for one in held] == [[18.0]] * 4
        running.until(lambda: in_flight(running) == 0)
        assert client.infer("demand", bulky(1.5)).as_numpy("prediction").tolist() == [21.5]
    assert re.search(r'errors_total\{.*kind="overload"\} 2\n', wait_for_metric(running, 'kind="overload"'))
    assert running.stop() == 0


def test_a_full_queue_is_told_by_its_status(start: Any) -> None:
    running = start("--max-waiting", "2")
    with triton.InferenceServerClient(running.grpc) as client:
        answers: Queue[Any] = Queue()
        slow = columns(1)
        slow[0].set_data_from_numpy(np.array([-2.0]))
        for _ in range(12):
            client.async_infer("demand", slow, callback=lambda result, error: answers.put(result or error))
        got = [answers.get(timeout=15) for _ in range(12)]
    refused = [one for one in got if isinstance(one, InferenceServerException)]
    assert {one.status() for one in refused} == {"StatusCode.RESOURCE_EXHAUSTED"}
    assert 9 <= len(refused) <= 10
    assert "try again in" in refused[0].message()
    assert running.stop() == 0


def test_a_worker_that_was_killed_is_replaced_at_its_port(start: Any) -> None:
    running = start()
    ask(running, model_name="demand", **RAW)
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")
    (worker,) = (int(one) for one in children.read_text().split())
    os.kill(worker, signal.SIGKILL)
    running.until(lambda: children.read_text().split() not in ([], [str(worker)]))
    running.wait_for()
    with grpc.insecure_channel(running.grpc) as channel:
        grpc.channel_ready_future(channel).result(timeout=15)
    ask(running, model_name="demand", **RAW)
    assert running.stop() == 0


def test_a_taken_port_is_told(server: Any, kit: Any, tmp_path: Any) -> None:
    port = server.grpc.rpartition(":")[2]
    second = kit.start_server(server.project, tmp_path, "--grpc-port", port)
    assert second.process.wait(timeout=20) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in second.log.read_text()
    assert "(grpc_port)" in second.log.read_text()


def test_without_the_extra_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    from loopwright.bootstrap.extras import make_extras
    from loopwright.errors import SettingsError
    from loopwright.serving.options import ServerOptions

    monkeypatch.delitem(sys.modules, "loopwright.serving.grpc_door", raising=False)
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(SettingsError, match="grpc_port is set, and grpc is not installed") as raised:
        make_extras(ServerOptions(storage_url=str(tmp_path), grpc_port=0))
    assert raised.value.remedy == "pip install 'loopwright[grpc]'"
    assert make_extras(ServerOptions(storage_url=str(tmp_path))).door is None


RAW = {
    "inputs": [
        {"name": "x", "datatype": "FP64", "shape": [1]},
        {"name": "n", "datatype": "INT64", "shape": [1]},
        {"name": "shop", "datatype": "BYTES", "shape": [1]},
    ],
    "raw_input_contents": [np.float64(1.5).tobytes(), np.int64(2).tobytes(), b"\x01\x00\x00\x00a"],
}


def bulky(x: float) -> list[Any]:
    """One row in a body of 0.9 MB."""
    made = columns(1)
    made[0].set_data_from_numpy(np.array([x]))
    made[2].set_data_from_numpy(np.array([b"a" * 900_000], dtype=np.object_))
    return made


def in_flight(running: Any) -> int:
    found = re.search(r"requests_in_flight\{.*\} (\d+)\n", running.client.get("/metrics").text)
    return int(found[1]) if found else 0


def wait_for_metric(running: Any, part: str) -> str:
    """The page of metrics, once it holds `part`."""
    pages: list[str] = []
    running.until(lambda: pages.append(running.client.get("/metrics").text) or part in pages[-1])
    return pages[-1]


def ask(server: Any, metadata: tuple[tuple[str, str], ...] = (), **request: Any) -> tuple[Any, dict[str, Any]]:
    """The answer and its trailing metadata."""
    message = MESSAGES["inference.ModelInferRequest"](**request)
    with grpc.insecure_channel(server.grpc) as channel:
        data, call = channel.unary_unary(METHOD).with_call(message.SerializeToString(), metadata=metadata, timeout=10)
    return MESSAGES["inference.ModelInferResponse"].FromString(data), dict(call.trailing_metadata())
