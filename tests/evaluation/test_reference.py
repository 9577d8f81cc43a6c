"""References: bins that hold every row, and values by the names a vocabulary knows."""

from datetime import UTC, datetime

import numpy as np
import polars as pl

from loopwright.bundle.bins import count_categories, count_numbers
from loopwright.bundle.outputs import task_signature
from loopwright.bundle.records import Input, Manifest
from loopwright.evaluation.reference import BINS, VALUES, make_reference


def reference_of(column, kind, without=()):
    rows = pl.DataFrame({"c": column})
    manifest = Manifest(
        model="m",
        task="regression",
        runtime="python",
        signature=task_signature("regression", [Input(name="c", kind=kind)]),
        files={},
        created=datetime(2026, 1, 1, tzinfo=UTC),
    )
    made = make_reference(manifest, rows, {"prediction": np.zeros(len(column))}, without=without)
    return {one.name: one for one in made.columns}


def test_numbers_fall_into_bins_of_equal_mass():
    values = np.random.default_rng(1).lognormal(size=2000)
    made = reference_of(values.tolist(), "number")["input.c"]
    assert len(made.edges) == BINS + 1
    assert made.counts[0] == made.counts[-1] == 0
    assert set(made.counts[1:-1]) == {2000 // BINS}


def test_the_bins_are_those_that_serving_counts_into():
    values = [1.0, 2.0, 2.0, None, 5.0, float("inf")]
    made = reference_of(values, "number")["input.c"]
    counted = count_numbers(made.edges, np.array([np.nan if one is None else one for one in values]))
    assert made.counts == tuple(counted)
    assert made.missing == 1


def test_the_commonest_values_have_a_bin_and_the_others_share_one():
    values = [f"v{place:02}" for place in range(60) for _ in range(100 - place)] + [None]
    made = reference_of(values, "text")["input.c"]
    assert len(made.values) == VALUES
    assert made.counts == tuple(count_categories(made.values, values))
    assert made.counts[-1] == sum(100 - place for place in range(50, 60))
    assert made.missing == 1


def test_truth_values_have_the_names_that_serving_gives_them():
    made = reference_of([True, False, True, None], "boolean")["input.c"]
    assert dict(zip(made.values, made.counts, strict=False)) == {"false": 1, "true": 2}


def test_a_column_that_is_always_missing_is_counted_as_such():
    made = reference_of(pl.Series([None, None], dtype=pl.Float64), "number")["input.c"]
    assert (made.edges, made.counts, made.missing) == ((), (0,), 2)


def test_columns_to_be_left_out_are():
    assert set(reference_of(["a", "b"], "text", without=["c"])) == {"output.prediction"}
