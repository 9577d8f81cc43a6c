"""How our server and the ceiling are started and asked; the peers are in `environments`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from serving.bodies import post_json, slices, v2
from serving.models import Made, Store
from serving.servers import Plan, v2_probabilities

PEERS = Path(__file__).parent / "peers"
DIFFERENT = 64
"""How many different requests are sent in turn."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What servers of one model are asked: rows by request, and the model's own answers to them."""

    made: Made
    rows: Sequence[pl.DataFrame]
    expected: Sequence[Sequence[float]]

    def bodies(self, write: Callable[[pl.DataFrame], bytes]) -> list[bytes]:
        return [write(one) for one in self.rows]

    def v2(self, path: str) -> list[bytes]:
        return self.bodies(lambda rows: post_json(path, v2(rows.rows())))


def asked(made: Made, rows: int = 1, count: int = DIFFERENT) -> Asked:
    parts = slices(made.rows, rows, count)
    return Asked(made=made, rows=parts, expected=[made.answers(one) for one in parts])


def ours(
    store: Store,
    questions: Asked,
    *,
    capture: float = 1.0,
    requests: Callable[[str], Sequence[bytes]] | None = None,
    read: Callable[[bytes], Sequence[float]] = v2_probabilities,
    name: str = "loopwright",
) -> Plan:
    """One worker of our server; summaries are always on. `requests` are made for the endpoint's name."""
    endpoint = f"{questions.made.name}-{round(100 * capture)}"
    store.release(endpoint, questions.made, capture=capture)
    spool = store.folder / "spools" / name.replace(" ", "-")
    command = ["-m", "loopwright.bootstrap.server", "--storage", store.url, "--endpoint", endpoint]
    return Plan(
        name=name,
        command=lambda port: [sys.executable, *command, "--port", str(port), "--spool", f"{spool}-{port}"],
        requests=requests(endpoint) if requests else questions.v2(f"/v2/models/{endpoint}/infer"),
        expected=questions.expected,
        read=read,
    )


def ceiling(questions: Asked, *, name: str = "ceiling") -> Plan:
    """The bare handler, under the same granian with the same settings as ours."""
    options = ["--interface", "rsgi", "--no-ws", "--no-log", "--backlog", "2048", "--backpressure", "1024"]
    granian = Path(sys.executable).with_name("granian")
    return Plan(
        name=name,
        command=lambda port: [str(granian), *options, "--host", "127.0.0.1", "--port", str(port), "ceiling:app"],
        requests=questions.v2("/v2/models/ceiling/infer"),
        expected=questions.expected,
        read=v2_probabilities,
        env={"BENCH_ONNX": str(questions.made.onnx), "BENCH_WIDTH": str(questions.made.rows.width)},
        folder=PEERS,
    )


def trivial(questions: Asked) -> Plan:
    """The server that does nothing, to try the load generator by."""
    return Plan(
        name="trivial",
        command=lambda port: [sys.executable, str(PEERS / "trivial.py"), str(port)],
        requests=questions.v2("/"),
        expected=[[]] * len(questions.rows),
        read=lambda body: [],
    )
