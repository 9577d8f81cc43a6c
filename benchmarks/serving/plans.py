"""How our server and the ceiling are started and asked; the peers are in `environments`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from serving.bodies import post_json, slices, v2, v2_probabilities
from serving.models import Made, Store
from serving.servers import Plan

PEERS = Path(__file__).parent / "peers"
DIFFERENT = 64
"""How many different requests are sent in turn, at most."""
AT_ONCE = 200_000
"""And how many rows they hold together, at most."""

Write = Callable[[str, pl.DataFrame], bytes]
"""An endpoint's name and rows to a request."""
Read = Callable[[bytes], Sequence[float]]
"""An answer's body to the probabilities in it."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What servers of one model are asked: rows by request, and the model's own answers to them."""

    made: Made
    rows: Sequence[pl.DataFrame]
    expected: Sequence[Sequence[float]]

    def requests(self, write: Write, endpoint: str = "") -> list[bytes]:
        return [write(endpoint, one) for one in self.rows]


def asked(made: Made, rows: int = 1) -> Asked:
    parts = slices(made.rows, rows, max(2, min(DIFFERENT, AT_ONCE // rows)))
    return Asked(made=made, rows=parts, expected=[made.answers(one) for one in parts])


def infer(endpoint: str, rows: pl.DataFrame) -> bytes:
    """Open Inference Protocol v2, one tensor, JSON."""
    return post_json(f"/v2/models/{endpoint}/infer", v2(rows))


def ours(
    store: Store,
    questions: Asked,
    *,
    name: str = "loopwright",
    capture: float = 1.0,
    workers: int = 1,
    write: Write = infer,
    read: Read = v2_probabilities,
) -> Plan:
    """Our server with one endpoint; summaries are always on."""
    endpoint = f"{questions.made.name}-{round(100 * capture)}"
    store.release(endpoint, questions.made, capture=capture)
    options = ["--storage", store.url, "--endpoint", endpoint, "--threads", "1", "--workers", str(workers)]
    return Plan(
        name=name,
        command=lambda port: [*SERVER, *options, *_place(store, port)],
        requests=questions.requests(write, endpoint),
        expected=questions.expected,
        read=read,
        endpoint=endpoint,
    )


def otherwise(plan: Plan, questions: Asked, name: str, write: Write, read: Read = v2_probabilities) -> Plan:
    """The same server, asked in another way."""
    requests = questions.requests(write, plan.endpoint)
    return replace(
        plan, name=name, shares=plan.shares or plan.name, requests=requests, expected=questions.expected, read=read
    )


def many(store: Store, questions: Asked, models: int) -> Plan:
    """Our server with so many endpoints of one model, each a model of its own in memory; asked in turn."""
    names = [f"many-{number}" for number in range(models)]
    for number, name in enumerate(names):
        store.release(name, store.copy(questions.made, number))
    options = [one for name in names for one in ("--endpoint", name)]
    pairs = list(zip(names * DIFFERENT, questions.rows * models, strict=False))[: max(models, DIFFERENT)]
    return Plan(
        name=f"{models} models",
        command=lambda port: [*SERVER, "--storage", store.url, "--threads", "1", *options, *_place(store, port)],
        requests=[infer(name, rows) for name, rows in pairs],
        expected=[questions.expected[place % len(questions.expected)] for place in range(len(pairs))],
        read=v2_probabilities,
    )


def ceiling(questions: Asked, *, name: str = "ceiling") -> Plan:
    """The bare handler, under granian."""
    options = ["--interface", "rsgi", "--no-ws", "--no-log", "--backlog", "2048", "--backpressure", "1024"]
    granian = str(Path(sys.executable).with_name("granian"))
    return Plan(
        name=name,
        command=lambda port: [granian, *options, "--host", "127.0.0.1", "--port", str(port), "ceiling:app"],
        requests=questions.requests(infer, "ceiling"),
        expected=questions.expected,
        read=v2_probabilities,
        env=model_env(questions.made),
        folder=PEERS,
    )


def trivial(questions: Asked) -> Plan:
    """The server that does nothing, to try the load generator by."""
    return Plan(
        name="trivial",
        command=lambda port: [sys.executable, str(PEERS / "trivial.py"), str(port)],
        requests=questions.requests(infer, "trivial"),
        expected=[[]] * len(questions.rows),
        read=lambda body: [],
    )


def model_env(made: Made) -> dict[str, str]:
    """What `peers/forest.py` reads."""
    return {"BENCH_ONNX": str(made.onnx), "BENCH_WIDTH": str(made.rows.width)}


def _place(store: Store, port: int) -> list[str]:
    return ["--port", str(port), "--spool", str(store.folder / "spools" / str(port))]


SERVER = [sys.executable, "-m", "loopwright.bootstrap.server"]
