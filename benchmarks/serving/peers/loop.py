"""The bare loop: decodes and predicts, again and again, with no server around it. Prints how often a second, and
the microseconds of processor time for one.

    python loop.py json|binary|arrow FILE SECONDS

FILE holds a request's body: Open Inference Protocol v2 in JSON, or with its binary tensor extension (behind its JSON,
whose length is in `BENCH_JSON_LENGTH`), or an Arrow stream of a column a feature.
"""

import os
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from ceiling import decode
from forest import dtype, probabilities, width


class Header(msgspec.Struct):
    inputs: list[dict]


header = msgspec.json.Decoder(Header).decode
length = int(os.environ.get("BENCH_JSON_LENGTH", "0"))


def from_json(body):
    return np.array(decode(body).inputs[0].data, dtype=dtype).reshape(-1, width)


def from_binary(body):
    (tensor,) = header(memoryview(body)[:length]).inputs
    return np.frombuffer(body, dtype="<f8", offset=length).reshape(tensor["shape"]).astype(dtype, copy=False)


def from_arrow(body):
    table = pa.ipc.open_stream(body).read_all()
    return np.column_stack([column.to_numpy() for column in table.columns]).astype(dtype, copy=False)


if __name__ == "__main__":
    read = {"json": from_json, "binary": from_binary, "arrow": from_arrow}[sys.argv[1]]
    body, seconds = Path(sys.argv[2]).read_bytes(), float(sys.argv[3])
    for _ in range(3):
        probabilities(read(body))
    began, spent, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < seconds:
        probabilities(read(body))
        count += 1
    print(count / (time.perf_counter() - began), 1e6 * (time.process_time() - spent) / count)
