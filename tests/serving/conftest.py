"""A small project for the inference server: bundles of simple models, revisions of an endpoint, real processes."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import httpx
import numpy as np
import pytest

from loopwright.adapters.obstore.storage import ObjectStorage, open_storage
from loopwright.bootstrap.predictor import load_predictor
from loopwright.bundle.outputs import task_signature
from loopwright.bundle.read import bundle_digest
from loopwright.bundle.records import Encoding, FeatureColumn, Input, Manifest, Reference, ReferenceColumn
from loopwright.bundle.write import write_bundle
from loopwright.ports.storage import upload_folder
from loopwright.serving.endpoints import Endpoints, LiveEndpoint, LiveVariant
from loopwright.serving.models import Shelf
from loopwright.serving.served import Served
from loopwright.traffic.records import (
    EndpointRevision,
    Variant,
    encode_revision,
    revision_digest,
    revision_key,
    revisions_folder,
)

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
INPUTS = (
    Input(name="x", kind="number"),
    Input(name="n", kind="integer"),
    Input(name="shop", kind="text"),
    Input(name="open", kind="boolean", required=False),
    Input(name="day", kind="date", required=False),
)
ENCODING = Encoding(
    columns=(
        FeatureColumn(name="x", kind="number"),
        FeatureColumn(name="n", kind="number"),
        FeatureColumn(name="shop", kind="category", vocabulary=("a", "b")),
    ),
    names=("x", "n", "shop"),
    categorical=(2,),
)
REFERENCE = Reference(
    rows=10,
    columns=(
        ReferenceColumn(name="input.x", kind="number", edges=(0.0, 1.0), counts=(1, 4, 5)),
        ReferenceColumn(name="input.shop", kind="category", values=("a", "b"), counts=(5, 5, 0)),
        ReferenceColumn(name="output.prediction", kind="number", edges=(0.0,), counts=(5, 5)),
    ),
)


def linear_model(scale: float = 1.0) -> Any:
    """`scale * (x + 10 n)`; raises at x = -1, sleeps a second at x = -2. Local, so that it is pickled whole."""

    class Linear:
        def predict(self, matrix: Any) -> Any:
            import time

            if (matrix[:, 0] == -1).any():
                raise ValueError("x is -1")
            if (matrix[:, 0] == -2).any():
                time.sleep(1)
            return scale * (matrix[:, 0] + 10 * matrix[:, 1])

    return Linear()


def classifier(classes: int) -> Any:
    """Probabilities that rise with x, for `classes` classes."""

    class Classifier:
        def predict_proba(self, matrix: Any) -> Any:

            scores = np.outer(matrix[:, 0], np.arange(classes))
            exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
            return exponents / exponents.sum(axis=1, keepdims=True)

    return Classifier()


@dataclass
class Project:
    """A store and what is released in it."""

    folder: Path
    url: str = field(init=False)
    storage: ObjectStorage = field(init=False)
    linear = staticmethod(linear_model)
    made: int = 0

    def __post_init__(self) -> None:
        self.url = str(self.folder / "store")
        self.storage = open_storage(self.url)

    def bundle(self, model: Any = None, *, version: int = 1, **draft: Any) -> Variant:
        """Write a bundle and store it; the variant that serves it with all weight."""
        self.made += 1
        folder = self.folder / f"bundle-{self.made}"
        folder.mkdir()
        task = draft.pop("task", "regression")
        classes = draft.get("classes", ())
        sample, encoding = draft.pop("sample", None), draft.pop("encoding", ENCODING)
        reference = draft.pop("reference", REFERENCE if task == "regression" else None)
        manifest = Manifest(
            model="demand", task=task, runtime="python", signature=task_signature(task, INPUTS, classes), files={},
            created=AT, target="y", **draft,
        )  # fmt: skip
        contents = {"model.pkl": cloudpickle.dumps(model or linear_model())}
        contents |= {"sample.json": json.dumps(sample).encode()} if sample else {}
        write_bundle(folder, manifest, encoding=encoding, reference=reference, contents=contents)
        upload_folder(self.storage, f"bundles/demand/{self.made}", folder)
        return Variant(
            name="champion", version=version, bundle=f"bundles/demand/{self.made}", weight=100,
            bundle_digest=bundle_digest(folder),
        )  # fmt: skip

    def release(self, *variants: Variant, endpoint: str = "demand", **fields: Any) -> EndpointRevision:
        """Append a revision to the endpoint's chain."""
        keys = list(self.storage.list(revisions_folder(endpoint)))
        previous = revision_digest(self.storage.get(keys[-1])) if keys else ""
        number = len(keys) + 1
        revision = EndpointRevision(
            endpoint=endpoint, model="demand", number=number, variants=variants, actor="test", reason="test",
            cause=f"test {number}", at=AT, previous=previous, **fields,
        )  # fmt: skip
        assert self.storage.create(revision_key(endpoint, number), encode_revision(revision))
        return revision

    def captured(self, endpoint: str = "demand") -> list[dict[str, Any]]:
        """Every captured row, as the store has it."""
        import pyarrow.parquet as pq

        rows: list[dict[str, Any]] = []
        for key in self.storage.list(f"predictions/{endpoint}/"):
            rows += pq.read_table(Path(self.url) / key).to_pylist()
        return rows

    def summaries(self, endpoint: str = "demand") -> list[dict[str, Any]]:
        return [json.loads(self.storage.get(key)) for key in self.storage.list(f"summaries/{endpoint}/")]


@dataclass
class Running:
    """A server process, and a client of it."""

    process: subprocess.Popen[bytes]
    client: httpx.Client
    log: Path
    address: tuple[str, int]

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)

    def wait_for(self, path: str = "/v2/health/ready", status: int = 200) -> None:
        self.until(lambda: self.client.get(path).status_code == status)

    def wait_for_revision(self, number: int, endpoint: str = "demand") -> None:
        self.until(lambda: self.client.get("/status").json()["revisions"].get(endpoint) == number)

    def until(self, holds: Callable[[], bool], seconds: float = 15.0) -> None:
        """Return when `holds`; fail with the server's log when it does not in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                pytest.fail(f"the server ended: {self.log.read_text()}")
            try:
                if holds():
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        pytest.fail(f"it did not happen in {seconds} s: {self.log.read_text()}")

    def infer(self, *rows: dict[str, Any], headers: dict[str, str] | None = None) -> httpx.Response:
        return self.client.post("/endpoints/demand/invocations", json={"instances": list(rows)}, headers=headers or {})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def kit() -> Any:
    """This module, for tests that make their own projects and servers."""
    return sys.modules[__name__]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def start_server(project: Project, folder: Path, *options: str, storage: str | None = None, **env: str) -> Running:
    """A server of the project on a free port, not waited for; its log and spool are in `folder`."""
    port, log = free_port(), folder / f"server-{len(list(folder.glob('server-*')))}.log"
    command = [sys.executable, "-m", "loopwright.bootstrap.server", "--storage", storage or project.url]
    command += ["--port", str(port), "--spool", str(folder / "spool"), "--poll", "0.1", "--window", "1", *options]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **env})
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False)
    return Running(process, client, log, ("127.0.0.1", port))


@pytest.fixture
def serve(project: Project, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start servers of the project: `serve(*options, wait=True, **environment)`; all are stopped in the end."""
    running: list[Running] = []

    def start(*options: str, wait: bool = True, **given: str) -> Running:
        running.append(start_server(project, tmp_path, *options, **given))
        if wait:
            running[-1].wait_for()
        return running[-1]

    yield start
    for one in running:
        one.client.close()
        if one.process.poll() is None:
            one.process.terminate()
            try:
                one.process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                one.process.kill()


ROW = {"x": 1.5, "n": 2, "shop": "a"}


@pytest.fixture
def row() -> dict[str, Any]:
    """A row that the linear model answers with 21.5."""
    return dict(ROW)


def live_endpoint(project: Project, *variants: Variant, **fields: Any) -> LiveEndpoint:
    """An endpoint in force in this process, released in `project`."""
    project.release(*(variants or (project.bundle(),)), **fields)
    endpoints = Endpoints(project.storage, Shelf(project.storage, project.folder / "cache", load_predictor), ["demand"])
    endpoints.look()
    return endpoints.live["demand"]


@pytest.fixture
def bring_up(project: Project) -> Callable[..., LiveEndpoint]:
    return partial(live_endpoint, project)


@pytest.fixture
def served(bring_up: Callable[..., LiveEndpoint]) -> Callable[..., Served]:
    """Make records of answered requests: `served(columns, prediction, id=…, at=…)`, all by the same variant."""
    found: list[LiveVariant] = []

    def make(columns: dict[str, Any], prediction: list[float], **given: Any) -> Served:
        found or found.append(given.pop("live", None) or bring_up().variants[0])
        return Served(
            found[0], given.get("id", "p"), len(prediction), given.get("at", AT), given.get("key"),
            given.get("latency_ms", 1.0), columns, {"prediction": np.array(prediction)},
            len(prediction),
        )  # fmt: skip

    return make
