"""An inference server as its command starts it: of a bundle by itself, and in SageMaker's containers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from loopwright.adapters.obstore.storage import open_storage
from loopwright.bootstrap.server import main, sagemaker_options
from loopwright.errors import SettingsError
from loopwright.traffic.predictions import INPUT
from tests.serving.conftest import Project, free_port

ROW = {"x": 1.5, "n": 2, "shop": "a"}
SERVE = [sys.executable, "-m", "loopwright.cli.main", "serve"]


@dataclass
class Container:
    """A server process with nothing but its environment, as a container gives it."""

    process: subprocess.Popen[bytes]
    client: httpx.Client
    ready_after: float

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=20)


Start = Callable[..., Any]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "made"
    folder.mkdir()
    Project(folder).bundle(version=3)
    return folder / "bundle-1"


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """`with start(*options, **environment) as container:`, in an empty folder; ready when entered."""

    @contextmanager
    def started(*options: str, port: int = 0, **given: str) -> Iterator[Container]:
        here = tmp_path / "here"
        here.mkdir(exist_ok=True)
        port = port or free_port()
        ours = {"LOOPWRIGHT_INFERENCE_PORT": str(port)} | given
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LOOPWRIGHT_")}
        began = time.monotonic()
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen([*SERVE, *options], cwd=here, env=clean | ours, stdout=log, stderr=log)
        url = f"http://127.0.0.1:{given.get('SAGEMAKER_BIND_TO_PORT', port)}"
        try:
            with closing(httpx.Client(base_url=url, timeout=10, trust_env=False)) as client:
                while not _pings(client):
                    assert process.poll() is None, (tmp_path / "log").read_text()
                    assert time.monotonic() < began + 20, (tmp_path / "log").read_text()
                    time.sleep(0.01)
                yield Container(process, client, time.monotonic() - began)
        finally:
            process.terminate()
            process.wait(timeout=20)

    return started


def test_a_bundle_by_itself_answers_at_all_its_doors_and_keeps_nothing(
    start: Start, bundle: Path, tmp_path: Path
) -> None:
    with start("--bundle", str(bundle)) as server:
        for path in ("/invocations", "/endpoints/demand/invocations"):
            assert server.client.post(path, json=[ROW]).json() == {"predictions": [21.5]}
        tensors = [
            {"name": name, "shape": [1], "datatype": kind, "data": [ROW[name]]}
            for name, kind in (("x", "FP64"), ("n", "INT64"), ("shop", "BYTES"))
        ]
        answer = server.client.post("/v2/models/demand/infer", json={"inputs": tensors}).json()
        assert answer["outputs"][0]["data"] == [21.5]
        assert server.client.get("/status").json()["revisions"] == {"demand": 1}
        assert "loopwright_requests_total" in server.client.get("/metrics").text
        assert server.stop() == 0
    left = [path for path in (tmp_path / "here").rglob("*") if path.is_file() and path.name != ".lock"]
    assert left == []


def test_it_records_what_it_answered_where_a_store_is_named(start: Start, bundle: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    with start("--bundle", str(bundle), "--as", "delivery/7/challenger/3", "--storage", str(store)) as server:
        answer = server.client.post("/invocations", json=[ROW])
        assert answer.headers["x-loopwright-variant"] == "challenger"
        assert server.stop() == 0
    storage = open_storage(str(store))
    (key,) = storage.list("predictions/delivery/")
    (row,) = _rows(storage.get(key))
    assert (row["endpoint"], row["revision"], row["variant"], row["version"]) == ("delivery", 7, "challenger", 3)
    assert row[INPUT + "x"] == 1.5
    assert len(list(storage.list("summaries/delivery/"))) == 1


def test_sagemaker_starts_it_with_one_word(start: Start, bundle: Path) -> None:
    """As the image has it: the bundle and the closed network in the environment, the port from SageMaker."""
    port = free_port()
    image = {"LOOPWRIGHT_BUNDLE": str(bundle), "LOOPWRIGHT_HOST": "0.0.0.0", "LOOPWRIGHT_TRUSTED_NETWORK": "true"}
    with start(**image, SAGEMAKER_BIND_TO_PORT=str(port), SAGEMAKER_SAFE_PORT_RANGE="21000-21999") as server:
        assert server.client.get("/ping").status_code == 200
        csv = {"content-type": "text/csv", "accept": "text/csv"}
        answer = server.client.post("/invocations", content="1.5,2,a,,\n", headers=csv)
        assert (answer.status_code, answer.text.strip()) == (200, "21.5")
        assert server.stop() == 0


def test_it_is_ready_in_two_seconds_without_mlflow(start: Start, bundle: Path) -> None:
    with start("--bundle", str(bundle)) as server:
        (worker,) = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        opened = Path(f"/proc/{worker}/maps").read_text()
        assert "mlflow" not in opened
        assert server.ready_after < 2.0 * _slowness()


def test_a_bundle_at_a_url_is_fetched_and_forgotten_afterwards(start: Start, bundle: Path, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    (spool / "bundle-killed").mkdir(parents=True)
    with start("--bundle", bundle.as_uri(), "--spool", str(spool)) as server:
        assert server.client.post("/invocations", json=[ROW]).json() == {"predictions": [21.5]}
        (fetched,) = spool.glob("bundle-*")
        damaged = ["--bundle", f"{bundle.as_uri()}/none", "--spool", str(spool), "--port", "0"]
        assert main(damaged) == 1  # another, in the same spool
        assert list(spool.glob("bundle-*")) == [fetched]
        assert server.stop() == 0
    assert list(spool.glob("bundle-*")) == []


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: shutil.rmtree(folder), "is no bundle"),
        (lambda folder: (folder / "model.pkl").write_bytes(b"other"), "model.pkl has SHA-256"),
        (lambda folder: (folder / "encoding.json").unlink(), "encoding.json is missing"),
    ],
    ids=["gone", "changed", "incomplete"],
)
def test_a_damaged_bundle_is_refused_before_anything_of_it_is_opened(
    bundle: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], damage: Callable[[Path], object], said: str
) -> None:
    damage(bundle)
    assert main(["--bundle", str(bundle), "--spool", str(tmp_path / "spool"), "--port", "0"]) == 1
    assert said in capfd.readouterr().err


def test_a_bundle_whose_model_does_not_open_ends_the_server(
    bundle: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["--bundle", str(bundle), "--spool", str(tmp_path / "spool"), "--port", str(free_port()), "--no-pickle"]
    done = subprocess.run([sys.executable, "-m", "loopwright.bootstrap.server", *words], timeout=20, check=False)
    assert done.returncode == 1
    assert "pickles are refused here" in capfd.readouterr().err


def test_sagemakers_variables_are_read() -> None:
    assert sagemaker_options({}) == {}
    assert sagemaker_options({"SAGEMAKER_BIND_TO_PORT": "8123"}) == {"port": 8123}
    assert sagemaker_options({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "100"}) == {"max_body": 100 * 1024 * 1024}
    with pytest.raises(SettingsError, match="SAGEMAKER_BIND_TO_PORT is 'many'"):
        sagemaker_options({"SAGEMAKER_BIND_TO_PORT": "many"})


def _pings(client: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return client.get("/ping").status_code == 200
    return False


def _rows(parquet: bytes) -> list[dict[str, Any]]:
    import io

    import pyarrow.parquet as pq

    found: list[dict[str, Any]] = pq.read_table(io.BytesIO(parquet)).to_pylist()
    return found


def _slowness() -> float:
    """How many processes wait for each core just now: what takes two seconds alone may take longer then."""
    return max(1.0, os.getloadavg()[0] / len(os.sched_getaffinity(0)))
