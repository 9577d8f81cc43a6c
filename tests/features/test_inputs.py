"""Which raw columns a feature function needs, found by taking them away."""

from __future__ import annotations

import polars as pl

from loopwright.declare import Declaration
from loopwright.features.inputs import feature_names, feature_sources, needed_columns

DECLARED = Declaration(name="m", source="s", target="y", key="id", time="day")
BLOCK = pl.DataFrame({"id": [1, 2, 3], "day": [1, 2, 3], "a": [1.0, 2.0, 5.0], "b": [4, 5, 6], "c": ["u", "v", "w"]})


def test_only_columns_that_features_follow_from_are_needed() -> None:
    assert needed_columns(lambda rows: rows.select(z=pl.col("a") * pl.col("b")), BLOCK, DECLARED) == ["a", "b"]


def test_what_passes_through_is_needed_but_not_key_and_time_under_their_own_names() -> None:
    assert needed_columns(lambda rows: rows.with_columns(z=pl.col("day") * 2), BLOCK, DECLARED) == [
        "day",
        "a",
        "b",
        "c",
    ]
    assert feature_names(["id", "day", "a", "z"], DECLARED) == ["a", "z"]


def test_where_it_cannot_be_told_all_columns_are_needed() -> None:
    def curious(rows: pl.LazyFrame) -> pl.LazyFrame:
        bonus = pl.col("b") if "b" in rows.collect_schema() else pl.lit(0, dtype=pl.Int64)
        return rows.select(z=pl.col("a") + bonus)

    assert needed_columns(curious, BLOCK, DECLARED) == BLOCK.columns


def test_a_feature_follows_from_the_columns_that_change_it() -> None:
    def features(rows: pl.LazyFrame) -> pl.LazyFrame:
        return rows.select("c", z=pl.col("a") * pl.col("b"), one=pl.lit(1))

    assert feature_sources(features, BLOCK, DECLARED) == {"c": ("c",), "z": ("a", "b"), "one": ("one",)}
