"""References: bins that hold every row, and values by the names a vocabulary knows."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from loopwright.bundle.bins import count_categories, count_numbers
from loopwright.bundle.outputs import task_signature
from loopwright.bundle.records import Input, Manifest
from loopwright.evaluation.reference import BINS, VALUES, make_reference
from loopwright.statistics.comparison import chi_squared
from loopwright.statistics.divergence import psi


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
    values = [f"v{place:02}" for place in range(60) for _ in range(200 if place < VALUES else 20)] + [None, None]
    made = reference_of(values, "text")["input.c"]
    assert made.values == tuple(f"v{place:02}" for place in range(VALUES))
    assert sum(made.counts) + made.missing == len(values) // 2
    expected = np.full(VALUES + 1, 100)  # half of the rows of each; ten share the last
    assert np.all(np.abs(np.array(made.counts) - expected) < 5 * np.sqrt(expected))
    assert reference_of(values[::-1], "text")["input.c"] == made  # the same rows, the same reference


@pytest.mark.parametrize("stations", [60, 100, 101])
def test_values_that_come_by_turns_are_counted_as_often_as_they_come(stations):
    """As a panel has them: every other row would be of every other station."""
    values = [f"station {row % stations}" for row in range(6000)]
    made = reference_of(values, "text")["input.c"]
    counts = np.array(count_categories(made.values, values))
    assert len(made.values) == VALUES
    assert psi(np.array(made.counts), counts) < 0.1


def test_as_many_values_as_have_a_bin_are_counted_in_all_rows():
    values = [f"v{place:02}" for place in range(VALUES) for _ in range(3)] + [None]
    made = reference_of(values, "text")["input.c"]
    assert (set(made.counts[:-1]), made.counts[-1], made.missing) == ({3}, 0, 1)


def test_windows_of_a_column_with_many_values_are_found_other_no_more_often_than_stated():
    """Bins of the values that these same 2,000 rows have most of would call nearly every one of them another."""
    random = np.random.default_rng(3)
    names = np.array([f"v{place}" for place in range(1000)])
    shares = random.dirichlet(np.full(1000, 3.0))
    found, grown = 0, 0
    for _ in range(200):
        reference, window = names[random.choice(1000, (2, 2000), p=shares)]
        made = reference_of(reference, "text")["input.c"]
        counts = np.array(count_categories(made.values, window.tolist()))
        found += chi_squared(np.array(made.counts), counts).p_value < 0.05
        grown += counts[-1] / 2000 - made.counts[-1] / sum(made.counts) > 0.05
    assert found <= 200 * 0.05 + 3 * (200 * 0.05 * 0.95) ** 0.5
    assert grown == 0


def test_truth_values_have_the_names_that_serving_gives_them():
    made = reference_of([True, False, True, None], "boolean")["input.c"]
    assert dict(zip(made.values, made.counts, strict=False)) == {"false": 1, "true": 2}


def test_a_column_that_is_always_missing_is_counted_as_such():
    made = reference_of(pl.Series([None, None], dtype=pl.Float64), "number")["input.c"]
    assert (made.edges, made.counts, made.missing) == ((), (0,), 2)


def test_columns_to_be_left_out_are():
    assert set(reference_of(["a", "b"], "text", without=["c"])) == {"output.prediction"}
