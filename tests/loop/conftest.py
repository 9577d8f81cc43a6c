"""A small project on disk, and its platform with jobs and host in this process: a whole run takes about a second."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from loopwright.bootstrap.job import run_job
from loopwright.bootstrap.platform import open_platform
from loopwright.bootstrap.predictor import load_predictor
from loopwright.bootstrap.session import Session
from loopwright.core.clock import Clock
from loopwright.testing.hosting import InProcessHosting
from loopwright.testing.jobs import InProcessCompute

MODEL = """
from loopwright import Canary, Gate, Governor, Model, NewData

model = Model(
    "demand",
    source="data/*.csv",
    target="sold",
    time="day",
    key="id",
    gate=Gate("rmse", at_most=3.0),
    rollout=Canary(steps=(50, 100), interval="1s", min_requests=5),
    retrain=[NewData()],
    governor=Governor("1s"),
)
"""


def rows(days: int, *, start: int = 0, seed: int = 1, slope: float = 2.0) -> pl.DataFrame:
    """Sales by day and shop: a price, a promotion, a shop, and noise of deviation 1."""
    random = np.random.default_rng(seed + start)
    count = days * 8
    day = np.repeat(np.arange(start, start + days), 8)
    price = random.uniform(1, 5, count).round(2)
    promotion = random.random(count) < 0.2
    shop = np.tile(np.array(["north", "south", "east", "west", "n2", "s2", "e2", "w2"]), days)
    sold = 20 - slope * price + 6 * promotion + np.tile(np.arange(8), days) + random.normal(0, 1, count)
    return pl.DataFrame(
        {
            "id": np.arange(start * 8, start * 8 + count),
            "day": np.datetime64("2026-01-01") + day.astype("timedelta64[D]"),
            "shop": shop,
            "price": price,
            "promotion": promotion,
            "sold": sold.round(2),
        }
    )


def write_project(root: Path, model: str = MODEL) -> None:
    """The model's file and its first data."""
    (root / "data").mkdir(parents=True, exist_ok=True)
    (root / "demand.py").write_text(textwrap.dedent(model))
    rows(60).write_csv(root / "data" / "a.csv")


def open_here(root: Path, *, clock: Clock | None = None, **settings: object) -> Session:
    """The project opened, with compute and hosting in this process and without MLflow unless asked for."""
    platform = open_platform(root, overrides={"tracking": "off", "window_seconds": 0.1, **settings}, clock=clock)
    scratch = root / ".loopwright" / "scratch"

    def work(document):
        return run_job(document, platform.storage, scratch / document.id)

    platform.__dict__["compute"] = InProcessCompute(platform.storage, work)
    platform.__dict__["hosting"] = InProcessHosting(platform.storage, load_predictor, scratch)
    return Session(platform)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    write_project(root)
    return root


@pytest.fixture
def open_project(project: Path) -> Iterator[Callable[..., Session]]:
    """Open the small project; everything opened is closed at the end."""
    opened: list[Session] = []

    def opener(**settings: object) -> Session:
        opened.append(open_here(project, **settings))
        return opened[-1]

    yield opener
    for session in opened:
        session.close()


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings come from the tests alone."""
    for name in [name for name in os.environ if name.startswith("LOOPWRIGHT_") and name != "LOOPWRIGHT_DATA"]:
        monkeypatch.delenv(name)
