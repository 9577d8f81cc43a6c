"""Evaluations end to end, on made rows with predictors that are functions."""

import numpy as np
import polars as pl
import pytest

from loopwright.bundle.records import Reference
from loopwright.core.codec import from_json
from loopwright.declare import Model


def numbers(count: int = 2000, seed: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=count)
    return pl.DataFrame(
        {
            "id": np.arange(count),
            "x": x,
            "city": rng.choice(["Bern", "Cork", "Dover"], count),
            "y": 10 + 3 * x + rng.normal(size=count),
        }
    )


def test_regression_is_measured_on_the_test_rows_and_beats_the_dummy(world):
    made = world(Model("m", source="s", target="y", key="id"), numbers(), "regression")
    report = made.evaluate(lambda columns: 10 + 3 * columns["x"])
    test = made.test
    expected = float(np.sqrt(np.mean((test["y"] - 10 - 3 * test["x"]).to_numpy() ** 2)))
    rmse = report.metrics["candidate"]["rmse"]
    assert rmse.value == pytest.approx(expected)
    assert rmse.low < rmse.value < rmse.high
    against = report.against("dummy")
    assert against.low > 0
    assert against.rows == report.rows == test.height
    reference = from_json(made.storage.get(report.reference), Reference)
    assert {one.name for one in reference.columns} == {"input.x", "input.city", "output.prediction"}
    assert report.latency_ms > 0
    assert report.size_mb == pytest.approx(0.5, abs=0.05)
