"""Are estimates without labels nearer to the truth than assuming that nothing changed? Real data, window by window.

A model learns from some rows, is tested on others, and predicts the rest. For each window of the rest the estimate, and
the figure of the test rows ("no change"), are held against what was measured when the labels were known. Shuffled rows
are parted by lot, so that only who comes differs between windows (covariate shift, which estimates are made for); rows
in order also change in what they mean, which no estimate without labels can see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray
from serving.figures import Figure, left_out

from decisions.effort import Effort
from loopwright.bundle.records import Input
from loopwright.evaluation.estimator import fit_loss_model
from loopwright.statistics.expected import calibrate, expected_metric
from loopwright.statistics.metrics import metric

PART = "estimates"
LEAST_ROWS = 80
TRAINED = {"learning_rate": 0.05, "num_leaves": 31, "num_threads": 1, "deterministic": True, "verbose": -1}
ROUNDS = 150

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows in the order of time: raw columns, what came true, and the window of each."""

    columns: pl.DataFrame
    truth: Floats
    window: NDArray[np.int64]


def measure(effort: Effort) -> Iterator[Figure]:
    """The mean absolute error of each estimate over all windows and splits, beside "no change"."""
    if effort.data is None:
        yield left_out(PART, "estimates on real data", "no folder of data sets is given")
        return
    splits = 1 if effort.quick else 5
    for name, read in CLASSIFIED.items():
        rows = read(effort.data)
        yield from _classified(f"{name}, shuffled", rows, [_by_lot(rows, effort.seed + k) for k in range(splits)])
        yield from _classified(f"{name}, in order", rows, [_in_order(rows)])
    rows = bike_sharing(effort.data)
    yield from _numbers("bike sharing by week, shuffled", rows, [_by_lot(rows, effort.seed + k) for k in range(splits)])
    yield from _numbers("bike sharing by week, in order", rows, [_in_order(rows)])


def bank_marketing(data: Path) -> Rows:
    frame = pl.read_csv(
        data / "bank_marketing" / "bank-additional-full.csv", separator=";", infer_schema_length=None
    ).drop("duration")
    month = frame["month"].to_numpy()
    return Rows(
        columns=frame.drop("y"),
        truth=(frame["y"] == "yes").cast(pl.Float64).to_numpy(),
        window=np.concatenate([[0], np.cumsum(month[1:] != month[:-1])]),
    )


def flights(data: Path) -> Rows:
    frame = pl.read_parquet(data / "nycflights13" / "flights.parquet").drop_nulls("arr_delay")
    frame = frame.sort("year", "month", "day", "hour", "minute", maintain_order=True)
    return Rows(
        columns=frame.select("month", "day", "hour", "carrier", "origin", "dest", "distance"),
        truth=(frame["arr_delay"] > 15).cast(pl.Float64).to_numpy(),
        window=frame["month"].cast(pl.Int64).to_numpy(),
    )


def electricity(data: Path) -> Rows:
    frame = pl.read_csv(data / "electricity_elec2" / "electricity.csv", infer_schema_length=None)
    return Rows(
        columns=frame.drop("class", "date"),
        truth=(frame["class"] == "UP").cast(pl.Float64).to_numpy(),
        window=np.arange(frame.height) // 336,
    )


def bike_sharing(data: Path) -> Rows:
    frame = pl.read_csv(data / "bike_sharing_hourly" / "hour.csv")
    inputs = ("season", "mnth", "hr", "holiday", "weekday", "workingday", "weathersit", "temp", "hum", "windspeed")
    return Rows(
        columns=frame.select(inputs),
        truth=frame["cnt"].cast(pl.Float64).to_numpy(),
        window=np.arange(frame.height) // 168,
    )


CLASSIFIED: dict[str, Callable[[Path], Rows]] = {
    "bank marketing by month": bank_marketing,
    "flights by month": flights,
    "electricity by week": electricity,
}

Split = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def _by_lot(rows: Rows, seed: int) -> Split:
    """Which rows train, test, and come later: 30, 15 and 55 of a hundred."""
    places = np.random.default_rng(seed).permutation(len(rows.truth))
    first, second = int(0.3 * len(places)), int(0.45 * len(places))
    return places[:first], places[first:second], np.sort(places[second:])


def _in_order(rows: Rows) -> Split:
    """The first 40 of a hundred rows train, the next 20 test."""
    places = np.arange(len(rows.truth))
    first, second = int(0.4 * len(places)), int(0.6 * len(places))
    return places[:first], places[first:second], places[second:]


def _windows(rows: Rows, later: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for window in np.unique(rows.window[later]):
        places = later[rows.window[later] == window]
        if len(places) >= LEAST_ROWS:
            yield places


def _scores(rows: Rows, train: NDArray[np.int64], objective: str) -> Floats:
    columns = rows.columns.with_columns(pl.col(pl.String).cast(pl.Categorical).to_physical()).cast(pl.Float64)
    features = columns.to_numpy()
    data = lightgbm.Dataset(features[train], rows.truth[train])
    predicted: Floats = lightgbm.train(TRAINED | {"objective": objective}, data, ROUNDS).predict(features)
    return predicted


def _classified(name: str, rows: Rows, splits: list[Split]) -> Iterator[Figure]:
    estimated: dict[str, list[float]] = {"roc_auc": [], "accuracy": []}
    unchanged: dict[str, list[float]] = {"roc_auc": [], "accuracy": []}
    for train, test, later in splits:
        scores = _scores(rows, train, "binary")
        calibration = calibrate(scores[test], rows.truth[test])
        for places in _windows(rows, later):
            chances = calibration.chances(scores[places])
            for one in estimated:
                came = metric("binary", one, rows.truth[places], scores[places])
                was = metric("binary", one, rows.truth[test], scores[test])
                expected = expected_metric("binary", one, scores[places], chances)
                if came is not None and was is not None and expected is not None:
                    estimated[one].append(abs(expected - came))
                    unchanged[one].append(abs(was - came))
    for one, errors in estimated.items():
        yield _beside(f"CBPE of {one}: {name}", errors, unchanged[one])


def _numbers(name: str, rows: Rows, splits: list[Split]) -> Iterator[Figure]:
    estimated: list[float] = []
    unchanged: list[float] = []
    inputs = [Input(name=one, kind="number") for one in rows.columns.columns]
    for train, test, later in splits:
        scores = _scores(rows, train, "regression")
        model = fit_loss_model(inputs, rows.columns[test], scores[test], rows.truth[test], seed=1)
        for places in _windows(rows, later):
            absolute, _ = model.losses(rows.columns[places], scores[places])
            came = float(np.abs(rows.truth[places] - scores[places]).mean())
            estimated.append(abs(float(absolute.mean()) - came))
            unchanged.append(abs(model.mean_absolute - came))
    yield _beside(f"DLE of mae: {name}", estimated, unchanged)


def _beside(name: str, errors: list[float], unchanged: list[float]) -> Figure:
    """The mean absolute error with its bootstrap interval over windows, beside that of "no change"."""
    draws = np.random.default_rng(0).integers(0, len(errors), size=(1000, len(errors)))
    means = np.array(errors)[draws].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    note = f"no change: {np.mean(unchanged):.4g}; {len(errors)} windows"
    value = float(np.mean(errors))
    return Figure(part=PART, name=name, unit="", value=value, low=float(low), high=float(high), note=note)
