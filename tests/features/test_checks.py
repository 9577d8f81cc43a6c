"""A row's features must follow from the row alone, and the error says what they follow from instead."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from loopwright.declare import Declaration
from loopwright.errors import FeatureError
from loopwright.features.checks import check_rows_alone
from loopwright.features.function import collect_features

DECLARED = Declaration(name="m", source="s", target="y")
ROWS = pl.DataFrame(
    {
        "x": np.random.default_rng(0).normal(size=500),
        "group": ["a", "b", "c", "d", None] * 100,
        "number": np.random.default_rng(1).integers(0, 50, 500),
    }
)
Function = Callable[[pl.LazyFrame], pl.LazyFrame]


def check(function: Function, rows: pl.DataFrame = ROWS) -> None:
    check_rows_alone(function, rows.lazy(), collect_features(function, rows.lazy(), DECLARED), DECLARED)


def test_features_of_the_row_itself_pass() -> None:
    check(lambda rows: rows.with_columns(z=pl.col("x").exp(), g=pl.col("group").fill_null("none")))
    check(lambda rows: rows.select(z=pl.col("x") / 3), ROWS.head(1))


LATER = "changes when later rows are removed"
ALONE = "is another for a row alone"
CROSS: dict[str, tuple[Function, str]] = {
    "a mean": (lambda rows: rows.with_columns(z=pl.col("x") - pl.col("x").mean()), LATER),
    "the next row": (lambda rows: rows.with_columns(z=pl.col("x").shift(-1)), LATER),
    "a rank": (lambda rows: rows.with_columns(z=pl.col("x").rank()), LATER),
    "a lag": (lambda rows: rows.with_columns(z=pl.col("x").shift(1)), ALONE),
    "a running sum": (lambda rows: rows.with_columns(z=pl.col("x").cum_sum()), ALONE),
    "a rolling mean": (lambda rows: rows.with_columns(z=pl.col("x").rolling_mean(5, min_samples=1)), ALONE),
    "the group's count": (lambda rows: rows.with_columns(z=pl.len().over("group")), LATER),
    "codes in order of appearance": (lambda rows: rows.with_columns(z=pl.col("group").rank("dense")), "'z'"),
}


@pytest.mark.parametrize("name", CROSS)
def test_cross_row_features_are_refused_and_sent_to_views(name: str) -> None:
    function, message = CROSS[name]
    with pytest.raises(FeatureError, match=message) as caught:
        check(function)
    assert "'z'" in caught.value.message
    assert "feature view" in caught.value.remedy


@pytest.mark.parametrize(
    "function",
    [lambda rows: rows.sort("x"), lambda rows: rows.reverse(), lambda rows: rows.sort("number", descending=True)],
)
def test_another_order_is_named_as_such(function: Function) -> None:
    with pytest.raises(FeatureError, match="another order"):
        check(function)


def test_rows_sorted_already_are_reordered_all_the_same() -> None:
    # The rows as they stand are in order, so only rows to come would be moved.
    with pytest.raises(FeatureError, match="another order"):
        check(lambda rows: rows.sort("x"), ROWS.sort("x"))


def test_columns_that_follow_from_the_values_are_refused() -> None:
    def dummies(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.collect().to_dummies("group").lazy()

    with pytest.raises(FeatureError, match="returns other columns for"):
        check(dummies)
