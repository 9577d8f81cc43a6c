"""demand.py: how many bicycles are rented in an hour."""

import polars as pl

from loopwright import Canary, Drift, Gate, Governor, Model, NewData, Split

model = Model(
    "bike-demand",
    source="data/*.csv",
    target="cnt",
    time="dteday",
    key="instant",
    drop=["casual", "registered", "yr"],  # the first two add up to the target; the year follows from the date
    split=Split(validation=0.1, test=0.1),
    gate=Gate("rmse", at_most=110, margin=0.1),  # neighbouring hours err alike: a month cannot show a difference of 5 %
    rollout=Canary(steps=(25, 50, 100), interval="10m"),
    retrain=[NewData(min_rows=200), Drift(window="1d")],
    governor=Governor("1h"),
)


@model.features
def features(rows: pl.LazyFrame) -> pl.LazyFrame:
    working = pl.col("workingday") == 1
    return rows.with_columns(
        year=pl.col("dteday").dt.year(),
        rush_hour=working & pl.col("hr").is_in([7, 8, 17, 18]),
        night=pl.col("hr") < 6,
    ).drop("dteday")
