"""A small project on disk, and `loopwright up` on it as a real process whose every wait has an end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import numpy as np
import polars as pl
import pytest

from loopwright.bootstrap.job import run_job
from loopwright.bootstrap.platform import open_platform
from loopwright.bootstrap.predictor import load_predictor
from loopwright.bootstrap.session import Session
from loopwright.testing.hosting import InProcessHosting
from loopwright.testing.jobs import InProcessCompute

T = TypeVar("T")

MODEL = """
import time
from pathlib import Path
from lightgbm import LGBMRegressor
from loopwright import Gate, Governor, Model, NewData

model = Model(
    "demand",
    source="data.csv",
    target="sold",
    key="id",
    gate=Gate("rmse", at_most=5.0),
    retrain=[NewData()],
    governor=Governor("1s"),
)

@model.train
def train(data, params):
    while Path("{root}/wait").exists():
        time.sleep(0.05)
    return LGBMRegressor(verbose=-1, n_estimators=20, **params).fit(data.X, data.y)
"""

SETTINGS = """
tracking = "off"
tick_seconds = 0.2
lease_seconds = 5.0
window_seconds = 1.0
"""


class Platform:
    """`loopwright up` in a process of its own."""

    def __init__(self, project: Path, *arguments: str) -> None:
        self.project = project
        self._log = tempfile.NamedTemporaryFile("w+", prefix="up-", suffix=".txt")  # noqa: SIM115 - closed in `close`
        command = "from loopwright.cli.main import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", command, "up", "--json", *arguments],
            cwd=project,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={name: value for name, value in os.environ.items() if not name.startswith("LOOPWRIGHT_")},
        )

    @property
    def printed(self) -> str:
        return Path(self._log.name).read_text()

    @property
    def said(self) -> list[str]:
        return [line["said"] for line in self._lines() if "said" in line]

    @property
    def addresses(self) -> dict[str, str]:
        """Where its doors are, as soon as they are open."""
        return self.until(lambda: next((line for line in self._lines() if "control" in line), None))

    def get(self, path: str) -> Any:
        return httpx.get(self.addresses["control"] + path, timeout=30).raise_for_status().json()

    def post(self, path: str, body: object) -> Any:
        return httpx.post(self.addresses["control"] + path, json=body, timeout=30).raise_for_status().json()

    def until(self, look: Callable[[], T | None], seconds: float = 90) -> T:
        """What `look` finds, as soon as it does; fails with what was printed."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := look():
                return found
            assert self.process.poll() is None, self.printed
            time.sleep(0.05)
        raise AssertionError(f"waited {seconds} s in vain; printed: {self.printed}")

    def end(self, number: int = signal.SIGTERM, seconds: float = 60) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=seconds)

    def doors(self) -> list[int]:
        """The ids of its doors' processes, as the kernel knows them."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        entries = re.compile(rb"loopwright\.(bootstrap|api)\.server")
        return [int(pid) for pid in listed if entries.search(Path(f"/proc/{pid}/cmdline").read_bytes())]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._log.close()

    def _lines(self) -> list[dict[str, Any]]:
        lines = self.printed.splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]


def write_rows(path: Path, *, seed: int = 1, count: int = 600) -> None:
    random = np.random.default_rng(seed)
    price = random.uniform(1, 5, count).round(2)
    shop = random.choice(["north", "south"], count)
    sold = 20 - 2 * price + 3 * (shop == "north") + random.normal(0, 1, count)
    pl.DataFrame({"id": np.arange(count), "shop": shop, "price": price, "sold": sold.round(2)}).write_csv(path)


def write_project(root: Path) -> Path:
    (root / "demand.py").write_text(MODEL.format(root=root))
    (root / "loopwright.toml").write_text(SETTINGS)
    write_rows(root / "data.csv")
    return root


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    return write_project(root)


@pytest.fixture
def learned(project: Path) -> Path:
    """The project after its first run: its model is what should be served, and no row is news."""
    platform = open_platform(project)
    platform.__dict__["compute"] = InProcessCompute(
        platform.storage, lambda document: run_job(document, platform.storage, project / "scratch" / document.id)
    )
    platform.__dict__["hosting"] = InProcessHosting(platform.storage, load_predictor, project / "scratch")
    with Session(platform) as session:
        ended = session.run()
        assert ended.status == "succeeded", ended
    return project


@pytest.fixture
def up() -> Iterator[Callable[..., Platform]]:
    """Start `loopwright up` on a project, on free ports; whatever was started is gone at the end."""
    started: list[Platform] = []

    def start(project: Path, *, port: int = 0, inference_port: int = 0) -> Platform:
        started.append(Platform(project, "--port", str(port), "--inference-port", str(inference_port)))
        return started[-1]

    yield start
    for platform in started:
        platform.close()
