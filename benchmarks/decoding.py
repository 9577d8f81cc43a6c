"""How fast requests become answers without HTTP: each door's way from bytes to bytes, beside a bare loop that reads the
same body with the same library, makes the matrix, and asks the same ONNX session.

    python benchmarks/decoding.py [--rows 1000]

The last lines say how the encoding of named columns with categories, dates and gaps compares with all numbers.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import orjson
import polars as pl
import pyarrow as pa
from serving.models import Made, Store

from loopwright.adapters.onnx.predictor import load_score
from loopwright.bootstrap.predictor import load_predictor
from loopwright.bundle.read import read_manifest
from loopwright.ports.predictor import Predictor
from loopwright.serving import protocol_v2
from loopwright.serving.arrow_streams import ARROW
from loopwright.serving.invocations import decode_rows, encode_rows

JSON = msgspec.json.Decoder()
LIVE: Any = SimpleNamespace(variant=SimpleNamespace(name="champion", version=1), revision=SimpleNamespace(number=1))
"""Who answers, as far as an answer says it."""

Step = Callable[[], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="loopwright-bench-") as folder:
        store = Store(Path(folder))
        doors(store.numeric(), given.rows)
        one_row(store)


def doors(made: Made, rows: int) -> None:
    """Rates of ours and of the bare loop, door by door."""
    table = made.rows.head(rows)
    matrix = table.to_numpy()
    ours, bare = Ours(made), Bare(made)
    records = orjson.dumps({"instances": table.to_dicts()})
    numbers = orjson.dumps({"inputs": [{**tensor(matrix), "data": matrix.reshape(-1).tolist()}]})
    head = orjson.dumps(
        {"inputs": [{**tensor(matrix), "parameters": {"binary_data_size": matrix.nbytes}}],
         "parameters": {"binary_data_output": True}}
    )  # fmt: skip
    binary, stream = head + np.ascontiguousarray(matrix).tobytes(), arrow(table)
    for name, mine, other in [
        ("JSON records", lambda: ours.records(records), lambda: bare.records(records)),
        ("v2, JSON", lambda: ours.v2(numbers, None), lambda: bare.v2(numbers)),
        ("v2, binary", lambda: ours.v2(binary, str(len(head))), lambda: bare.binary(binary, len(head), matrix.shape)),
        ("Arrow", lambda: ours.arrow(stream), lambda: bare.arrow(stream)),
    ]:
        compare(f"{name}, {rows:,} rows", mine, other)


def one_row(store: Store) -> None:
    """A row of named columns: all numbers, and numbers, categories, dates and gaps."""
    encoders = {}
    for made in (store.numeric(), store.mixed()):
        row = {name: list(values) for name, values in JSON.decode(records_of(made.rows.slice(7, 1))).items()}
        predictor: Any = load_predictor(made.folder)
        encoders[made.name] = (lambda predictor=predictor, row=row: predictor.matrix(row),
                               lambda predictor=predictor, row=row: predictor.predict(row))  # fmt: skip
    (numeric, numeric_whole), (mixed, mixed_whole) = encoders.values()
    compare("one mixed row, encoding, beside an all-numeric one", mixed, numeric, times=200)
    compare("one mixed row, prediction, beside an all-numeric one", mixed_whole, numeric_whole, times=200)


class Ours:
    """What the doors do between HTTP and HTTP."""

    def __init__(self, made: Made) -> None:
        self._signature = read_manifest(made.folder).signature
        self._predictor: Predictor = load_predictor(made.folder)

    def records(self, body: bytes) -> bytes:
        rows = decode_rows(body, "application/json", self._signature)
        return encode_rows(self._predictor.predict(rows.columns), "")[1]

    def arrow(self, body: bytes) -> bytes:
        rows = decode_rows(body, ARROW, self._signature)
        return encode_rows(self._predictor.predict(rows.columns), ARROW)[1]

    def v2(self, body: bytes, json_length: str | None) -> bytes:
        request = protocol_v2.decode_request(body, json_length)
        outputs = self._predictor.predict(
            protocol_v2.request_rows(request, tuple(one.name for one in self._signature.inputs)).columns
        )
        return protocol_v2.encode_response("numeric", "id", LIVE, outputs, request)[0]


class Bare:
    """What a sensible person writes who knows the one model: no names looked up, nothing checked, no labels."""

    def __init__(self, made: Made) -> None:
        self._score = load_score(made.folder, read_manifest(made.folder))

    def records(self, body: bytes) -> bytes:
        rows = JSON.decode(body)["instances"]
        return self._answer(np.array([list(row.values()) for row in rows], dtype=np.float64))

    def v2(self, body: bytes) -> bytes:
        tensor = JSON.decode(body)["inputs"][0]
        return self._answer(np.array(tensor["data"], dtype=np.float64).reshape(tensor["shape"]))

    def binary(self, body: bytes, head: int, shape: tuple[int, ...]) -> bytes:
        JSON.decode(memoryview(body)[:head])
        return self._scores(np.frombuffer(body, dtype="<f8", offset=head).reshape(shape)).tobytes()

    def arrow(self, body: bytes) -> bytes:
        batch = pa.ipc.open_stream(pa.py_buffer(body)).read_next_batch()
        scores = self._scores(np.column_stack([column.to_numpy() for column in batch.columns]))
        made, sink = pa.record_batch({"probability": scores}), pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, made.schema) as writer:
            writer.write_batch(made)
        return bytes(sink.getvalue().to_pybytes())

    def _scores(self, matrix: Any) -> Any:
        return self._score(matrix).reshape(-1).astype(np.float64)

    def _answer(self, matrix: Any) -> bytes:
        return orjson.dumps({"predictions": self._scores(matrix).tolist()})


def compare(what: str, ours: Step, bare: Step, times: int = 4) -> None:
    """Print both in microseconds of this thread's processor time, the best of rounds taken in turn (what else runs on
    the machine only ever adds), and how fast ours is of the other.
    """
    rounds = [(clocked(ours, times), clocked(bare, times)) for _ in range(60)]
    mine, other = (min(one[place] for one in rounds) for place in (0, 1))
    print(f"{what:55} {mine:9.1f} µs   {other:9.1f} µs   {other / mine:5.2f} x")


def clocked(step: Step, times: int) -> float:
    began = time.thread_time()
    for _ in range(times):
        step()
    return (time.thread_time() - began) / times * 1e6


def tensor(matrix: Any) -> dict[str, Any]:
    return {"name": "input", "shape": list(matrix.shape), "datatype": "FP64"}


def records_of(rows: pl.DataFrame) -> bytes:
    return orjson.dumps({name: values.to_list() for name, values in zip(rows.columns, rows.get_columns(), strict=True)})


def arrow(table: pl.DataFrame) -> bytes:
    whole, sink = table.to_arrow(), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, whole.schema) as writer:
        writer.write_table(whole)
    return bytes(sink.getvalue().to_pybytes())


if __name__ == "__main__":
    main()
