"""Dynamic batching against one row at a time, through the server's own code, on whatever device there is.

    python benchmarks/gpu.py [--device auto|cpu|cuda] [--connections 128] [--seconds 5] [--width 64] [--hidden 1024]

A PyTorch net is packed as a bundle and opened as a server opens it. Callers, each with one row, ask again as soon as
they are answered: once with a queue that makes what waits together, once with one that makes every row by itself. It
prints a line of JSON; needs the extra `torch`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from loopwright.bootstrap.predictor import load_predictor
from loopwright.bundle.modules import TorchModel
from loopwright.bundle.outputs import task_signature
from loopwright.bundle.records import Encoding, FeatureColumn, Input, Manifest
from loopwright.bundle.write import write_bundle
from loopwright.core.cores import available_cores
from loopwright.serving.batching import BatchLimits
from loopwright.serving.models import LoadedModel

ONE_BY_ONE = BatchLimits(rows=1, waiting=100_000)
TOGETHER = BatchLimits(waiting=100_000)


def main() -> None:
    given = arguments()
    with tempfile.TemporaryDirectory() as folder:
        manifest = make_bundle(Path(folder), given.width, given.hidden)
        predictor = load_predictor(Path(folder), threads=available_cores(), device=given.device)
        alone, batched = (
            asyncio.run(measure(LoadedModel("", manifest, None, predictor, limits), given))
            for limits in (ONE_BY_ONE, TOGETHER)
        )
    print(
        json.dumps(
            {
                "device": device_name(given.device),
                "torch": torch.__version__,
                "cores": available_cores(),
                "connections": given.connections,
                "layers": [given.width, given.hidden, given.hidden, 1],
                "one_by_one": alone,
                "batched": batched,
                "gain": round(batched["rows_per_second"] / alone["rows_per_second"], 2),
            }
        )
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--connections", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--hidden", type=int, default=1024)
    return parser.parse_args()


def make_bundle(folder: Path, width: int, hidden: int) -> Manifest:
    torch.manual_seed(0)
    layers = [torch.nn.Linear(width, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, hidden), torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers, torch.nn.Linear(hidden, 1))
    names = tuple(f"x{place}" for place in range(width))
    draft = Manifest(
        model="net",
        task="regression",
        runtime="torch",
        signature=task_signature("regression", [Input(name=name, kind="number") for name in names]),
        files={},
        created=datetime.now(UTC),
    )
    encoding = Encoding(columns=tuple(FeatureColumn(name=name, kind="number") for name in names), names=names)
    return write_bundle(folder, draft, encoding=encoding, contents={"model.pt2": TorchModel(net).exported(width)})


async def measure(model: LoadedModel, given: argparse.Namespace) -> dict[str, Any]:
    rows = [{name: np.array([value]) for name in model.names} for value in np.linspace(-1, 1, given.connections)]
    warm = {name: np.zeros(given.connections) for name in model.names}
    model.warm(rows[0], 1)
    model.warm(warm, given.connections)
    took: list[float] = []

    async def call(row: dict[str, Any], end: float) -> None:
        while (began := time.perf_counter()) < end:
            await model.predict(row, 1)
            took.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(call(row, began + given.seconds) for row in rows))
    seconds = time.perf_counter() - began
    cuts = statistics.quantiles(took, n=100)
    return {
        "rows_per_second": round(len(took) / seconds),
        "p50_ms": round(1000 * cuts[49], 2),
        "p99_ms": round(1000 * cuts[98], 2),
    }


def device_name(wanted: str) -> str:
    if wanted != "cpu" and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{platform.machine()} processor"


if __name__ == "__main__":
    main()
