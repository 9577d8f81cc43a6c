"""What a feature function does wrong is said in its own terms, with the line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from loopwright.declare import Declaration
from loopwright.errors import FeatureError
from loopwright.features.function import collect_features, visible_columns

DECLARED = Declaration(name="m", source="s", target="y", key="id", time="day", drop=("after",))
ROWS = pl.LazyFrame({"id": [1, 2, 3], "x": [1.0, 2.0, 4.0]})


def broken(rows: pl.LazyFrame) -> pl.LazyFrame:
    raise ValueError("no such thing")


def broken_inside(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows.with_columns(z=pl.col("x").map_elements(lambda value: 1 / (value - 2), return_dtype=pl.Float64))


FAULTS: dict[str, tuple[Callable[[pl.LazyFrame], Any], str]] = {
    "drops rows": (lambda rows: rows.filter(pl.col("x") > 1), "drops rows: it returned 2 for 3"),
    "adds rows": (lambda rows: pl.concat([rows, rows]), "adds rows: it returned 6 for 3"),
    "reads the target": (lambda rows: rows.with_columns(z=pl.col("y")), "reads the target 'y'"),
    "reads a dropped column": (lambda rows: rows.select("after"), "reads 'after', which is dropped"),
    "returns the target": (lambda rows: rows.with_columns(y=pl.col("x")), "the target 'y' is among the features"),
    "returns nothing": (lambda rows: None, "returned nothing"),
    "returns a number": (lambda rows: 3, "returned a int"),
    "duplicates columns": (lambda rows: rows.select("x", pl.col("id").alias("x")), "DuplicateError"),
    "reads an unknown column": (lambda rows: rows.select("nothing"), "ColumnNotFoundError.*nothing"),
    "raises": (broken, r"broken raised ValueError \(test_function.py, line \d+: raise ValueError.*no such thing"),
    "raises when collected": (broken_inside, "ZeroDivisionError.*line .*division by zero"),
}


@pytest.mark.filterwarnings("ignore::polars.exceptions.PolarsInefficientMapWarning")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named(fault: str) -> None:
    function, message = FAULTS[fault]
    with pytest.raises(FeatureError, match=message) as caught:
        collect_features(function, ROWS, DECLARED)
    assert caught.value.remedy


def test_a_frame_is_as_good_as_a_lazy_one() -> None:
    frame = collect_features(lambda rows: rows.collect().with_columns(z=pl.col("x") * 2), ROWS, DECLARED)
    assert frame["z"].to_list() == [2.0, 4.0, 8.0]


def test_target_and_dropped_columns_are_not_seen() -> None:
    assert visible_columns(DECLARED, ["id", "y", "after", "x", "day"]) == ["id", "x", "day"]
