"""Worlds of our own, whose truth is known: rows by a formula, and a model that is declared for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from loopwright.declare import Declaration, Model
from loopwright.policies.gate import Gate
from loopwright.policies.retraining import Decay, Drift, Schedule
from loopwright.policies.tasks import METRICS, TaskName

ROWS = 50_000
"""So many rows are drawn from."""

TRIGGERS = (Schedule("0 3 1,15 * *"), Drift(), Decay(coverage=0.01))
"""What asks for a retrain, where nobody says. Labels are known of a few rows alone, so these have to do."""


def synthetic_task(declaration: Declaration | None) -> TaskName:
    """What a world must ask for, so that a model's policies make sense in it: regression, where nothing else is said.

    Of classes there are two.
    """
    if declaration is None:
        return "regression"
    metric = declaration.gate.metric
    task = declaration.task or (METRICS[metric][0][0] if metric else "regression")
    return "regression" if task == "regression" else "binary"


def synthetic_model(declaration: Declaration | None = None) -> Model:
    """A model for `synthetic_rows`, under the policies of `declaration`, where there is one.

    Bounds on the metric, other metrics and groups do not come along: they are another world's.
    """
    task = synthetic_task(declaration)
    model = Model("simulated", source=SOURCE, target="outcome", task=task, order="rows", key="id", retrain=TRIGGERS)
    if declaration is None:
        return model
    own: tuple[str, ...] = ("retrain", "rollout", "replay", "drift", "decay", "alerts", "governor", "split", "tolerate")
    own += ("threshold", "refit", "capture_share", "seed")
    policies = {name: getattr(declaration, name) for name in own}
    metric = declaration.gate.metric
    fits = metric is None or task in METRICS[metric][0]
    gate: Gate = replace(
        declaration.gate, metric=metric if fits else None, also=(), fairness=(), at_least=None, at_most=None
    )
    model.declaration = replace(model.declaration, name=declaration.name, gate=gate, **policies)
    return model


def synthetic_rows(task: TaskName, seed: int) -> pl.DataFrame:
    """Rows of a price, a temperature, a stock, an age, a region and a promotion; and what comes of each, with noise.

    The outcome is near `10 - 2 price + 1.5 sin(temperature) + promotion × stock + region`, in standard deviations of
    its inputs; of two classes, whether that is above its mean, at logistic odds.
    """
    random = np.random.default_rng((seed, 6))
    price, temperature, stock, age = random.normal(size=(4, ROWS))
    region, promotion = random.integers(0, 4, ROWS), random.random(ROWS) < 0.3
    level = -2 * price + 1.5 * np.sin(2 * temperature) + promotion * stock + 0.5 * (region - 1.5)
    rows = pl.DataFrame(
        {
            "id": np.arange(ROWS),
            "price": (20 + 4 * price).round(3),
            "temperature": (15 + 6 * temperature).round(3),
            "stock": (100 + 30 * stock).round(1),
            "age": (40 + 12 * age).round(1),
            "region": np.array(["north", "east", "south", "west"])[region],
            "promotion": promotion,
        }
    )
    if task == "regression":
        return rows.with_columns(outcome=pl.Series(10 + level + random.normal(0, 1, ROWS)))
    return rows.with_columns(outcome=pl.Series(random.random(ROWS) < 1 / (1 + np.exp(-1.5 * level))))


SOURCE = "simulated/*.parquet"
"""Where the rows of a simulation arrive, below its folder."""
