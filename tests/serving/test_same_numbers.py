"""One bundle, one set of rows, one answer: whatever door they come through, and in a batch."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopwright.batch import score
from loopwright.bootstrap.predictor import load_predictor
from loopwright.bundle.read import read_manifest
from loopwright.bundle.records import Encoding, FeatureColumn
from loopwright.core.clock import SystemClock
from loopwright.serving.binary_tensors import write_tensor, write_texts

COLUMNS = (
    FeatureColumn(name="x", kind="number"),
    FeatureColumn(name="n", kind="number"),
    FeatureColumn(name="shop", kind="category", vocabulary=("a", "3", "true", "é")),
    FeatureColumn(name="open", kind="boolean"),
    FeatureColumn(name="day", kind="date", parts=("year", "month", "weekday")),
)
NAMES = ("x", "n", "shop", "open", "day.year", "day.month", "day.weekday")
KINDS = {"x": pl.Float64, "n": pl.Int64, "shop": pl.String, "open": pl.Boolean, "day": pl.Date}
ROW = st.fixed_dictionaries(
    {
        "x": st.none() | st.floats(-1e6, 1e6),
        "n": st.none() | st.integers(-(2**40), 2**40),
        "shop": st.none() | st.sampled_from(["a", "3", "true", "é", "new", "a,b", 'q"', "3.0"]),
        "open": st.none() | st.booleans(),
        "day": st.none() | st.dates(date(1900, 1, 1), date(2100, 1, 1)),
    }
)


def weighing() -> Any:
    """Every matrix column and every gap shows in the answer."""

    class Weighing:
        def predict(self, matrix: Any) -> Any:
            weights = 1.5 ** np.arange(matrix.shape[1])
            return (np.nan_to_num(matrix, nan=-77.0) * weights).sum(axis=1)

    return Weighing()


@pytest.fixture(scope="module")
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    conftest = next(one for one in request.config.pluginmanager.get_plugins() if hasattr(one, "start_server"))
    made = conftest.Project(tmp_path_factory.mktemp("project"))
    made.release(made.bundle(weighing(), encoding=Encoding(columns=COLUMNS, names=NAMES, categorical=(2,))))
    return made


@pytest.fixture(scope="module")
def server(project: Any, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    conftest = next(one for one in request.config.pluginmanager.get_plugins() if hasattr(one, "start_server"))
    running = conftest.start_server(project, tmp_path_factory.mktemp("server"))
    running.wait_for()
    yield running
    running.stop()
    assert "Traceback" not in running.log.read_text(), running.log.read_text()[-3000:]  # all of it was captured, too
    running.client.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, min_size=1, max_size=40))
def test_every_door_and_a_batch_give_the_same_numbers(server: Any, project: Any, rows: list[dict[str, Any]]) -> None:
    expected = batch(project.folder, rows)
    assert len(expected) == len(rows)
    plain = [{**row, "day": row["day"] and row["day"].isoformat()} for row in rows]
    columns = {name: [row[name] for row in plain] for name in KINDS}
    answers = {
        "records": invoke(server, json.dumps({"dataframe_records": plain}), "application/json"),
        "columns": invoke(server, json.dumps({"inputs": columns}), "application/json"),
        "lines": invoke(server, "\n".join(map(json.dumps, plain)), "application/jsonlines"),
        "csv": invoke(server, as_csv(plain), "text/csv"),
        "arrow": invoke(server, as_arrow(rows), "application/vnd.apache.arrow.stream"),
        "v2": infer(server, *json_tensors(columns)),
        "v2, binary": infer(server, *binary_tensors(columns)),
    }
    assert answers == dict.fromkeys(answers, expected)


def batch(folder: Path, rows: list[dict[str, Any]]) -> list[float]:
    pl.DataFrame(rows, schema=KINDS).write_parquet(folder / "rows.parquet")
    bundle = folder / "bundle-1"
    score(
        "rows.parquet", folder / "scored.parquet", root=folder, predictor=load_predictor(bundle),
        manifest=read_manifest(bundle), clock=SystemClock(),
    )  # fmt: skip
    return pl.read_parquet(folder / "scored.parquet")["prediction"].to_list()


def invoke(server: Any, body: str | bytes, kind: str) -> list[float]:
    response = server.client.post("/endpoints/demand/invocations", content=body, headers={"Content-Type": kind})
    assert response.status_code == 200, response.text
    predictions: list[float] = response.json()["predictions"]
    return predictions


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(KINDS))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_arrow(rows: list[dict[str, Any]]) -> bytes:
    table = pl.DataFrame(rows, schema=KINDS).with_columns(pl.col("shop").cast(pl.Categorical)).to_arrow()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


DATATYPES = {"x": "FP64", "n": "INT64", "shop": "BYTES", "open": "BOOL", "day": "BYTES"}
NUMBERS = {"x": np.float64, "n": np.int64, "open": np.bool_}


def json_tensors(columns: dict[str, list[Any]]) -> tuple[bytes, dict[str, str]]:
    tensors = [in_json(name, values) for name, values in columns.items()]
    return orjson.dumps({"inputs": tensors}), {}


def in_json(name: str, values: list[Any]) -> dict[str, Any]:
    return {"name": name, "shape": [len(values)], "datatype": DATATYPES[name], "data": values}


def binary_tensors(columns: dict[str, list[Any]]) -> tuple[bytes, dict[str, str]]:
    """A column with gaps is in the JSON, as bytes know no null; but NaN is a number's."""
    tensors, raw = [], []
    for name, values in columns.items():
        if None in values and name != "x":
            tensors.append(in_json(name, values))
            continue
        texts = DATATYPES[name] == "BYTES"
        raw.append(write_texts(values) if texts else write_tensor(np.array(values, dtype=NUMBERS[name])))
        head = {"name": name, "shape": [len(values), 1], "datatype": DATATYPES[name]}
        tensors.append({**head, "parameters": {"binary_data_size": len(raw[-1])}})
    head = orjson.dumps({"inputs": tensors, "parameters": {"binary_data_output": True}})
    return b"".join((head, *raw)), {"Inference-Header-Content-Length": str(len(head))}


def infer(server: Any, body: bytes, headers: dict[str, str]) -> list[float]:
    response = server.client.post("/v2/models/demand/infer", content=body, headers=headers)
    assert response.status_code == 200, response.text
    length = response.headers.get("inference-header-content-length")
    if length is None:
        data: list[float] = response.json()["outputs"][0]["data"]
        return data
    values: list[float] = np.frombuffer(response.content, dtype="<f8", offset=int(length)).tolist()
    return values
