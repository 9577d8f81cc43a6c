"""Matrices made column by column are what the bundle's encoding makes of the same rows."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.bundle.encoding import encode
from loopwright.bundle.frames import frame_columns
from loopwright.errors import FeatureError
from loopwright.features.columns import Role
from loopwright.features.matrix import fill_matrices, fit_encoding, refit_encoding

ROW = st.fixed_dictionaries(
    {
        "number": st.none() | st.floats(-1e6, 1e6) | st.sampled_from([float("inf"), float("-inf")]),
        "whole": st.none() | st.integers(-1000, 1000),
        "truth": st.none() | st.booleans(),
        "text": st.none() | st.sampled_from(["a", "b", "", "3", "true"]),
        "day": st.none() | st.dates(date(1960, 1, 1), date(2030, 1, 1)),
        "moment": st.none() | st.datetimes(*map(datetime.fromisoformat, ("1960-01-01", "2030-01-01"))),
    }
)
SCHEMA = {
    "number": pl.Float64,
    "whole": pl.Int64,
    "truth": pl.Boolean,
    "text": pl.String,
    "day": pl.Date,
    "moment": pl.Datetime("us"),
}
ROLES: dict[str, Role] = dict.fromkeys(SCHEMA, "given")


@settings(max_examples=50, deadline=None)
@given(st.lists(ROW, min_size=4, max_size=30))
def test_the_fast_way_equals_the_bundles_way(rows: list[dict[str, object]]) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA)
    train = np.arange(len(rows)) % 2 == 0
    try:
        encoding, _ = fit_encoding(ROLES, frame.get_column, train)
    except FeatureError:
        return  # nothing varies in these rows
    fast, aside = fill_matrices(encoding, frame.get_column, ((train, np.float64), (~train, np.float64)))
    usual = encode(encoding, frame_columns(frame))
    np.testing.assert_array_equal(fast, usual[train])
    np.testing.assert_array_equal(aside, usual[~train])


def test_the_encoding_is_fitted_on_training_rows_alone() -> None:
    frame = pl.DataFrame({"text": ["a", "b", "z", "z"], "x": [1, 2, 3, 4]})
    train = np.array([True, True, False, False])
    encoding, _ = fit_encoding({"text": "given", "x": "given"}, frame.get_column, train)
    (others,) = fill_matrices(encoding, frame.get_column, ((~train, np.float64),))
    assert encoding.columns[0].vocabulary == ("a", "b")
    assert others[:, 0].tolist() == [-1, -1]
    assert encoding.categorical == (0,)


def test_a_matrix_has_the_type_asked_for_and_lies_by_columns() -> None:
    frame = pl.DataFrame({"x": [1.5, 2.5]})
    every = np.array([True, True])
    encoding, _ = fit_encoding({"x": "given"}, frame.get_column, every)
    (matrix,) = fill_matrices(encoding, frame.get_column, ((every, np.float32),))
    assert matrix.dtype == np.float32
    assert matrix.flags.f_contiguous


def test_refitting_keeps_the_features_and_learns_new_words() -> None:
    frame = pl.DataFrame({"text": ["a", "b", "z", "z"], "x": [1, 1, 3, 4]})
    encoding, notes = fit_encoding(
        {"text": "given", "x": "given"}, frame.get_column, np.array([True, True, False, False])
    )
    assert any("'x' is left out" in note for note in notes)
    again = refit_encoding(encoding, frame.get_column, np.array([True] * 4))
    assert again.names == encoding.names == ("text",)
    assert set(again.columns[0].vocabulary) == {"a", "b", "z"}


def test_no_feature_left_is_an_error_that_says_why() -> None:
    frame = pl.DataFrame({"x": [1, 1]})
    with pytest.raises(FeatureError, match="'x' is left out"):
        fit_encoding({"x": "given"}, frame.get_column, np.array([True, True]))
