"""The clients that people have already, unmodified, against a real server: of Triton, SageMaker, MLflow and Arrow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pytest
import tritonclient.http as triton
from botocore.config import Config
from botocore.exceptions import ClientError
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from tritonclient.utils import InferenceServerException

from loopwright.serving.compression import WORTH

ARROW = "application/vnd.apache.arrow.stream"
N = 1000


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One server for the module: `demand` (a regression) and `three` (three classes)."""
    conftest = next(one for one in request.config.pluginmanager.get_plugins() if hasattr(one, "start_server"))
    project = conftest.Project(tmp_path_factory.mktemp("project"))
    project.release(project.bundle())
    classes = ("a", "b", "é")
    project.release(project.bundle(conftest.classifier(3), task="multiclass", classes=classes), endpoint="three")
    running = conftest.start_server(project, tmp_path_factory.mktemp("server"))
    running.wait_for()
    yield running
    running.stop()
    assert "Traceback" not in running.log.read_text(), running.log.read_text()[-3000:]
    running.client.close()


@pytest.fixture(scope="module")
def alone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server of one endpoint, which needs no name: what MLflow's client expects."""
    conftest = next(one for one in request.config.pluginmanager.get_plugins() if hasattr(one, "start_server"))
    project = conftest.Project(tmp_path_factory.mktemp("project"))
    project.release(project.bundle())
    running = conftest.start_server(project, tmp_path_factory.mktemp("server"))
    running.wait_for()
    yield running
    running.stop()
    running.client.close()


@pytest.fixture(scope="module")
def triton_client(server: Any) -> Iterator[Any]:
    host, port = server.address
    with triton.InferenceServerClient(f"{host}:{port}") as client:
        yield client


def tensors(count: int, binary: bool = True, number: Any = np.float64) -> list[Any]:
    """`count` rows of `demand`: x = row, n = 1."""
    columns = {
        "x": np.arange(count).astype(number),
        "n": np.ones((count, 1), dtype=np.int64),
        "shop": np.array(["a", "é"] * count, dtype=np.object_)[:count],
    }
    made = []
    for name, values in columns.items():
        made.append(triton.InferInput(name, list(values.shape), triton.np_to_triton_dtype(values.dtype)))
        made[-1].set_data_from_numpy(values, binary_data=binary)
    return made


def test_triton_asks_how_the_server_is(triton_client: Any) -> None:
    assert triton_client.is_server_live()
    assert triton_client.is_server_ready()
    assert triton_client.is_model_ready("demand")
    assert triton_client.is_model_ready("demand", "1")
    assert not triton_client.is_model_ready("demand", "7")
    assert "binary_tensor_data" in triton_client.get_server_metadata()["extensions"]
    metadata = triton_client.get_model_metadata("demand")
    assert [(one["name"], one["datatype"]) for one in metadata["inputs"][:3]] == [
        ("x", "FP64"), ("n", "INT64"), ("shop", "BYTES"),
    ]  # fmt: skip


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("count", [1, 3, N])
def test_triton_in_binary_and_json(triton_client: Any, binary_in: bool, binary_out: bool, count: int) -> None:
    wanted = [triton.InferRequestedOutput("prediction", binary_data=binary_out)]
    result = triton_client.infer("demand", tensors(count, binary_in), outputs=wanted, request_id="one")
    assert result.as_numpy("prediction").tolist() == (np.arange(count) + 10.0).tolist()
    assert result.get_response()["id"] == "one"
    assert ("data" in result.get_output("prediction")) is not binary_out


@pytest.mark.parametrize(
    "number", [np.float16, np.float32, np.uint8, np.int8, np.uint16, np.int32, np.uint64, np.bool_]
)
@pytest.mark.parametrize("count", [2, 50])
def test_triton_in_every_type_of_number(triton_client: Any, number: Any, count: int) -> None:
    result = triton_client.infer("demand", tensors(count, number=number))
    assert result.as_numpy("prediction").tolist() == (np.arange(count).astype(number) + 10.0).tolist()


def test_triton_sends_bf16(triton_client: Any) -> None:
    import ml_dtypes

    values = np.array([1.0, -2.5], dtype=ml_dtypes.bfloat16)
    sent = tensors(2)
    sent[0] = triton.InferInput("x", [2], "BF16").set_data_from_numpy(values)
    assert triton_client.infer("demand", sent).as_numpy("prediction").tolist() == [11.0, 7.5]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize("binary", [True, False])
def test_triton_compresses_both_ways(triton_client: Any, coding: str, binary: bool) -> None:
    wanted = [triton.InferRequestedOutput("prediction", binary_data=binary)]
    result = triton_client.infer(
        "demand", tensors(N, binary), outputs=wanted,
        request_compression_algorithm=coding, response_compression_algorithm=coding,
    )  # fmt: skip
    assert result.as_numpy("prediction").tolist() == (np.arange(N) + 10.0).tolist()


def test_triton_gets_texts_and_matrices(triton_client: Any) -> None:
    result = triton_client.infer("three", tensors(40))
    assert result.as_numpy("probabilities").shape == (40, 3)
    assert set(result.as_numpy("label").tolist()) == {b"a", "é".encode()}


def test_triton_sends_a_matrix(server: Any, triton_client: Any) -> None:
    whole = np.column_stack([np.arange(N), np.ones(N), np.zeros(N), np.ones(N), np.full(N, 1.7e9)])
    sent = triton.InferInput("rows", list(whole.shape), "FP64").set_data_from_numpy(whole)
    assert triton_client.infer("demand", [sent]).as_numpy("prediction").tolist() == (np.arange(N) + 10.0).tolist()


def test_triton_is_told_which_tensor_is_wrong(triton_client: Any) -> None:
    sent = tensors(2)
    sent[0] = triton.InferInput("x", [2], "BYTES").set_data_from_numpy(np.array(["many", "1"], dtype=np.object_))
    with pytest.raises(InferenceServerException, match="the column 'x' expects a number, but row 1 of 2 holds 'many'"):
        triton_client.infer("demand", sent)
    with pytest.raises(InferenceServerException, match="no output 'odds'"):
        triton_client.infer("demand", tensors(1), outputs=[triton.InferRequestedOutput("odds")])
    shared = triton.InferInput("x", [2], "FP64")
    shared.set_shared_memory("region", 16)
    with pytest.raises(InferenceServerException, match="lies in shared memory"):
        triton_client.infer("demand", [shared])


HEAD = b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","parameters":{"binary_data_size":8}}]}'


@pytest.mark.parametrize(
    ("head", "raw", "said"),
    [
        (HEAD, bytes(4), "the tensor 'x' has the binary_data_size 8, but 4 are left in the body"),
        (HEAD.replace(b":8", b":-1"), b"", "the tensor 'x' has the binary_data_size -1, but 0 are left in the body"),
        (HEAD.replace(b'"parameters"', b'"data":[1],"parameters"'), bytes(8), "but data in the JSON too"),
        (HEAD, bytes(9), "1 bytes follow the last tensor"),
        (HEAD.replace(b"[1]", b"[2]"), bytes(8), "the tensor 'x' has 8 bytes: send 16 for 2 values of FP64"),
        (HEAD.replace(b"[1]", b"[-1]"), bytes(8), "the tensor 'x' has the shape [-1]: send lengths from 0 on"),
        (HEAD.replace(b"FP64", b"BYTES"), b"\x05\x00\x00\x00abcd", "'x': text 1 ends beyond the tensor's 8 bytes"),
    ],
)
def test_bytes_that_do_not_add_up_are_told_apart(server: Any, head: bytes, raw: bytes, said: str) -> None:
    headers = {"Inference-Header-Content-Length": str(len(head))}
    response = server.client.post("/v2/models/demand/infer", content=head + raw, headers=headers)
    assert response.status_code == 400
    assert said in response.json()["error"]


@pytest.mark.parametrize("length", ["0", "-1", "9" * 30, "x", "1.5", "\u0661"])
def test_a_length_that_is_none_is_refused(server: Any, length: str) -> None:
    headers = {"Inference-Header-Content-Length": length.encode()}
    response = server.client.post("/v2/models/demand/infer", content=HEAD + bytes(8), headers=headers)
    assert response.status_code == 400


def test_a_length_that_is_not_said_is_missed(server: Any) -> None:
    response = server.client.post("/v2/models/demand/infer", content=HEAD)
    assert "the tensor 'x' is in binary: say in Inference-Header-Content-Length" in response.json()["error"]


@pytest.fixture(scope="module")
def runtime(server: Any) -> Any:
    host, port = server.address
    return boto3.client(
        "sagemaker-runtime", endpoint_url=f"http://{host}:{port}", region_name="eu-west-1", aws_access_key_id="x",
        aws_secret_access_key="x", config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip


def test_sagemaker_invokes_an_endpoint(runtime: Any) -> None:
    answer = runtime.invoke_endpoint(
        EndpointName="demand", Body=b"1.5,2,a,,\n0,1,b,,\n", ContentType="text/csv", Accept="text/csv",
        TargetVariant="champion", InferenceId="order-1", CustomAttributes="trace=7; who=me",
    )  # fmt: skip
    assert answer["Body"].read() == b"21.5\n10.0\n"
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("text/csv", "champion")
    assert answer["CustomAttributes"] == "trace=7; who=me"
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-loopwright-prediction-id"] == "order-1"


@pytest.mark.parametrize(
    ("given", "code", "status", "said"),
    [
        ({"Body": b"{"}, "ValidationError", 400, "the body is no JSON"),
        ({"Body": b'[{"x": 1}]'}, "ValidationError", 400, "the columns 'n', 'shop' are missing"),
        ({"EndpointName": "nobody"}, "ValidationError", 404, "there is no endpoint 'nobody'"),
        ({"TargetVariant": "nobody"}, "ValidationError", 404, "no variant 'nobody'"),
        ({"TargetModel": "other.tar.gz"}, "ValidationError", 400, "no multi-model endpoint"),
        ({"ContentType": "application/xml"}, "ValidationError", 415, "the content type is 'application/xml'"),
        ({"InferenceId": "a b"}, "ValidationError", 400, "the prediction id is 'a b'"),
        ({"CustomAttributes": "x" * 1025}, "ValidationError", 400, "the custom attributes have 1,025 characters"),
        ({"Body": b'[{"x": -1, "n": 1, "shop": "a"}]'}, "ModelError", 422, "the model raised ValueError: x is -1"),
    ],
)
def test_sagemaker_raises_what_went_wrong(
    runtime: Any, given: dict[str, Any], code: str, status: int, said: str
) -> None:
    with pytest.raises(ClientError) as raised:
        runtime.invoke_endpoint(
            **{"EndpointName": "demand", "Body": b'[{"x": 1, "n": 1, "shop": "a"}]', "ContentType": "application/json"}
            | given
        )
    error = raised.value.response
    assert (error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)
    assert said in error["Error"]["Message"]
    assert isinstance(raised.value, getattr(runtime.exceptions, code))
    if code == "ModelError":
        assert (error["OriginalStatusCode"], said in error["OriginalMessage"]) == (422, True)


FRAME = pd.DataFrame({"x": [1.5, 0.0], "n": [2, 1], "shop": ["a", "b"]})


def test_mlflow_asks_how_the_server_is(alone: Any) -> None:
    client = ScoringServerClient(*alone.address)
    client.wait_server_ready(timeout=5)
    assert alone.client.get("/health").status_code == 200
    assert int(client.get_version().split(".")[0]) >= 3


@pytest.mark.parametrize(
    "data",
    [
        FRAME,
        {"x": [1.5, 0.0], "n": [2, 1], "shop": ["a", "b"]}.items(),
        [{"x": 1.5, "n": 2, "shop": "a"}, {"x": 0, "n": 1, "shop": "b"}],
        json.dumps({"instances": FRAME.to_dict(orient="records")}),
        json.dumps({"dataframe_records": FRAME.to_dict(orient="records")}),
        json.dumps({"inputs": FRAME.to_dict(orient="list"), "params": {"unused": 1}}),
    ],
    ids=["frame", "dict", "list", "instances", "records", "inputs"],
)
def test_mlflow_invokes(alone: Any, data: Any) -> None:
    data = dict(data) if not isinstance(data, pd.DataFrame | list | str) else data
    data = json.dumps({"inputs": data}) if isinstance(data, dict) else data  # its own way with dicts is broken
    answer = ScoringServerClient(*alone.address).invoke(data)
    assert answer.get_predictions("ndarray").reshape(-1).tolist() == [21.5, 10.0]


def test_mlflow_sends_a_matrix_and_csv(alone: Any) -> None:
    matrix = np.array([[1.5, 2, 0, 1, 0], [0, 1, 0, 1, 0]])
    answer = ScoringServerClient(*alone.address).invoke(matrix)
    assert answer["predictions"] == [21.5, 10.0]
    headers = {"Content-Type": "text/csv"}
    answered = alone.client.post("/invocations", content=FRAME.to_csv(index=False), headers=headers)
    assert answered.json() == {"predictions": [21.5, 10.0]}


def test_mlflow_is_told_what_is_wrong(alone: Any) -> None:
    with pytest.raises(Exception, match=r"error code 400.*the columns 'n', 'shop' are missing"):
        ScoringServerClient(*alone.address).invoke(FRAME[["x"]])
    both = alone.client.post("/invocations", json={"inputs": [], "instances": []})
    assert both.status_code == 400
    assert "exactly one of" in both.json()["error"]


def arrow(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=400)
    return bytes(sink.getvalue().to_pybytes())


TABLE = pa.table(
    {
        "more": [[1]] * N,
        "shop": pa.array(["a", None] * (N // 2)).dictionary_encode(),
        "n": pa.array([1] * N, pa.int8()),
        "x": pa.array([None, *range(1, N)], pa.float32()),
        "day": pa.array([None] * N, pa.date32()),
    }
)


def test_arrow_in_and_out(server: Any) -> None:
    headers = {"Content-Type": ARROW, "Accept": ARROW}
    response = server.client.post("/endpoints/demand/invocations", content=arrow(TABLE), headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (200, ARROW)
    found = pa.ipc.open_stream(response.content).read_all()
    assert found.column_names == ["prediction"]
    assert np.isnan(found["prediction"][0].as_py())
    assert found["prediction"][1:].to_pylist() == [row + 10.0 for row in range(1, N)]


BODIES = {
    "application/json": orjson.dumps({"instances": [{"x": 1.5, "n": 2, "shop": "a"}]}),
    "application/jsonlines": b'{"x": 1.5, "n": 2, "shop": "a"}\n',
    "text/csv": b"x,n,shop\n1.5,2,a\n",
    ARROW: arrow(pa.table({"x": [1.5], "n": [2], "shop": ["a"]})),
}


@pytest.mark.parametrize("sent", BODIES)
@pytest.mark.parametrize("accept", BODIES)
def test_any_answer_to_any_request(server: Any, sent: str, accept: str) -> None:
    headers = {"Content-Type": sent, "Accept": accept}
    response = server.client.post("/endpoints/demand/invocations", content=BODIES[sent], headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (200, accept)
    if accept == ARROW:
        assert pa.ipc.open_stream(response.content).read_all().to_pydict() == {"prediction": [21.5]}
    else:
        text = response.text.strip()
        assert (orjson.loads(text)["predictions"] if accept == "application/json" else [float(text)]) == [21.5]


def test_a_bomb_is_refused(server: Any) -> None:
    import gzip

    bomb = gzip.compress(bytes(64 * 2**20), 9)
    for path in ("/endpoints/demand/invocations", "/v2/models/demand/infer"):
        response = server.client.post(path, content=bomb, headers={"Content-Encoding": "gzip"})
        assert response.status_code == 413
        assert "unpacked" in response.json()["error"]
    refused = server.client.post("/v2/models/demand/infer", content=b"x", headers={"Content-Encoding": "zstd"})
    assert refused.status_code == 415


def test_a_large_answer_is_compressed_where_that_is_taken(server: Any) -> None:
    body = arrow(TABLE)

    def ask(accepted: str) -> httpx.Response:
        headers = {"Content-Type": ARROW, "Accept-Encoding": accepted}
        response: httpx.Response = server.client.post("/endpoints/demand/invocations", content=body, headers=headers)
        return response

    plain, small = ask("identity"), ask("gzip")
    assert "content-encoding" not in plain.headers
    assert small.headers["content-encoding"] == "gzip"
    assert plain.json() == small.json()
    assert len(plain.content) > WORTH > 0
