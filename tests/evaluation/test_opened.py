"""A bundle opened: what its predictor is given, and how its speed is taken."""

from datetime import date

import polars as pl
import pytest

from loopwright.declare import Model
from loopwright.evaluation import opened


@pytest.fixture
def asked():
    return []


@pytest.fixture
def candidate(world, asked):
    """A bundle that notes what it is asked."""
    rows = pl.DataFrame({"id": range(200), "day": [date(2026, 1, 2)] * 200, "x": [1.5] * 200, "y": [1.0] * 200})
    made = world(Model("m", source="s", target="y", key="id"), rows, "regression")

    def score(columns):
        asked.append(columns)
        return columns["x"]

    return opened.open_bundle("the candidate", made.bundle("candidate", score), made.workspace()), rows


def test_single_rows_come_as_a_request_brings_them(candidate, asked):
    bundle, rows = candidate
    assert bundle.latency_ms(rows) > 0
    assert {len(columns["x"]) for columns in asked} == {1}
    assert asked[0]["day"].tolist() == ["2026-01-02"]


def test_a_slow_model_is_not_asked_for_long(candidate, asked, monkeypatch):
    bundle, rows = candidate
    monkeypatch.setattr(opened, "PATIENCE", 0.0)
    bundle.latency_ms(rows)
    assert len(asked) == 4  # three to warm up, one measured


def test_the_size_is_that_of_all_files(candidate):
    bundle, _ = candidate
    files = [path for path in bundle.folder.rglob("*") if path.is_file()]
    assert bundle.size_mb == sum(path.stat().st_size for path in files) / 1e6
