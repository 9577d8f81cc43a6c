"""Request columns as the frame that a feature function was trained on."""

from datetime import date, datetime

import numpy as np
import polars as pl
import pytest

from loopwright.adapters.python.features import request_frame, run_features
from loopwright.bundle.encoding import Columns
from loopwright.bundle.frames import frame_columns
from loopwright.bundle.records import Input
from loopwright.errors import FeatureError, RequestError

INPUTS = (
    Input(name="number", kind="number"),
    Input(name="integer", kind="integer"),
    Input(name="boolean", kind="boolean"),
    Input(name="text", kind="text"),
    Input(name="date", kind="date"),
    Input(name="datetime", kind="datetime"),
)
FRAME = pl.DataFrame(
    {
        "number": [1.5, None],
        "integer": [2**60 + 1, None],
        "boolean": [True, None],
        "text": ["a", None],
        "date": [date(2024, 1, 2), None],
        "datetime": [datetime(2024, 1, 2, 3, 4, 5, 6), None],  # noqa: DTZ001 - as the snapshot stores it
    },
    schema_overrides={"datetime": pl.Datetime("us")},
)


@pytest.mark.parametrize(
    "columns",
    [
        {
            "number": [1.5, None],
            "integer": [2**60 + 1, None],
            "boolean": [True, None],
            "text": ["a", None],
            "date": ["2024-01-02", None],
            "datetime": ["2024-01-02T03:04:05.000006", None],
        },
        {name: FRAME[name].to_list() for name in FRAME.columns},
        {**frame_columns(FRAME), "integer": np.array([2**60 + 1, None], dtype=object)},
        {
            "number": ["1.5", None],
            "integer": [2**60 + 1, np.nan],
            "boolean": ["true", None],
            "text": np.array(["a", None], dtype=object),
            "date": ["2024-01-02T00:00:00Z", None],
            "datetime": np.array(["2024-01-02T03:04:05.000006", "NaT"], dtype="M8[ns]"),
        },
    ],
    ids=["json", "python", "numpy", "spelled otherwise"],
)
def test_a_request_becomes_the_frame_of_training(columns: Columns) -> None:
    made = request_frame(INPUTS, columns)
    if columns["integer"][1] is not None:  # beside a NaN, a whole number is only a 64-bit float
        assert made["integer"].to_list() == [2**60, None]
        made = made.with_columns(FRAME["integer"])
    assert made.schema == FRAME.schema
    assert made.equals(FRAME)


def test_whole_numbers_come_as_floats_and_text_too() -> None:
    made = request_frame((Input(name="n", kind="integer"),), {"n": [1, 2.0, "3", None]})
    assert made["n"].to_list() == [1, 2, 3, None]
    assert made["n"].dtype == pl.Int64


@pytest.mark.parametrize("values", [[2.5], np.array([2.5]), ["2.5"], np.array([2**63], dtype=np.uint64), [2**63]])
def test_what_is_no_whole_number_of_64_bits_is_refused(values: object) -> None:
    with pytest.raises(RequestError, match="the column 'n' expects a whole number, but row 1 of 1 holds"):
        request_frame((Input(name="n", kind="integer"),), {"n": values})  # type: ignore[dict-item]


def test_only_the_wanted_columns_are_taken_and_unneeded_ones_may_fail_to_be_numbers() -> None:
    rows = pl.DataFrame({"a": [1, 2]})
    made = run_features(lambda frame: frame.with_columns(b=pl.lit("x")), rows, ("a",))
    assert made.columns == ["a"]


def test_a_function_may_return_a_frame() -> None:
    rows = pl.DataFrame({"a": [1, 2]})
    assert run_features(lambda frame: frame.collect(), rows, ("a",)).height == 2


def test_a_function_without_a_name_is_spoken_of_all_the_same() -> None:
    class Odd:
        def __call__(self, rows: pl.LazyFrame) -> object:
            return 3

    with pytest.raises(FeatureError, match="the feature function features returned int"):
        run_features(Odd(), pl.DataFrame({"a": [1]}), ("a",))
