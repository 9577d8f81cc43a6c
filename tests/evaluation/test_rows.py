"""Rows of an evaluation: their parts, their order, and how they are drawn again."""

from dataclasses import replace
from datetime import date, datetime

import numpy as np
import polars as pl
import pytest

from loopwright.evaluation.rows import History, dependence, moment, read_history, resampling, take
from loopwright.statistics.bootstrap import interval
from loopwright.statistics.metrics import prepare
from loopwright.training.records import SplitPlan


def read(plan, rows):
    return read_history(plan, rows.lazy(), rows["y"], rows["y"].cast(pl.Float64).to_numpy(), 0)


def test_test_rows_stand_in_the_order_of_their_time_whatever_the_files_order():
    rows = pl.DataFrame({"t": [5, 1, 4, 2, 3, 0], "y": [1.0] * 6})
    plan = SplitPlan(kind="time", column="t", validation_from="2", test_from="3")
    assert read(plan, rows).test_places.tolist() == [4, 2, 0]


def test_rows_without_a_target_are_in_no_part():
    rows = pl.DataFrame({"y": [1.0, None, 3.0, None, 5.0, 6.0]})
    history = read(SplitPlan(kind="rows", rows={"validation_from": 2, "test_from": 4}), rows)
    assert (history.train.sum(), history.validation.sum(), history.test.sum()) == (1, 1, 2)
    assert history.strangers == 0


def test_a_class_that_is_not_known_makes_strangers():
    rows = pl.DataFrame({"y": ["a", "b", "c", "c", "a", None]})
    plan = SplitPlan(kind="rows", rows={"validation_from": 1, "test_from": 2})
    truth = np.array([0, 1, np.nan, np.nan, 0, np.nan])
    assert read_history(plan, rows.lazy(), rows["y"], truth, 2).strangers == 2


@pytest.mark.parametrize(("delay", "known"), [("0d", 0.0), ("1d", None)])
def test_a_delay_cannot_be_told_in_row_numbers(delay, known):
    plan = SplitPlan(kind="rows", rows={"validation_from": 1, "test_from": 2}, label_delay=delay)
    assert read(plan, pl.DataFrame({"y": [1.0, 2.0, 3.0]})).delay == known


@pytest.mark.parametrize(
    ("value", "written", "earlier"),
    [
        (datetime(2026, 1, 31, 12), "2026-01-31T12:00:00", "2000-01-01"),  # noqa: DTZ001
        (date(2026, 1, 31), "2026-01-31", "2000-01-01"),
        (17, "17", "0"),
        (1.5, "1.5", "0"),
    ],
)
def test_a_written_moment_is_the_rows_own(value, written, earlier):
    plan = SplitPlan(kind="time", column="t", validation_from=earlier, test_from=earlier)
    history = read(plan, pl.DataFrame({"t": [value], "y": [1.0]}))
    assert history.moments is not None
    assert history.moments[0] == moment(written)


def test_taken_rows_stand_as_asked_for():
    rows = pl.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]}).lazy()
    assert take(rows, ["b", "a"], np.array([2, 0])).rows() == [("z", 3), ("x", 1)]


def standard_error(history, places):
    truth = history.truth[places]
    error = interval(prepare("regression", "mae", truth, np.zeros(len(places))), resampling(history, places, seed=0))
    return (error.high - error.low) / (2 * 1.96)


def test_rows_of_one_moment_are_drawn_together():
    """200 days of 20 rows, each day with a value of its own: there are 200 values, not 4,000."""
    values = np.random.default_rng(1).uniform(1, 3, 200)
    every = np.ones(4000, dtype=bool)
    ordered = History(
        truth=np.repeat(values, 20),
        train=~every,
        validation=~every,
        test=every,
        classes=0,
        moments=np.repeat(np.arange(200.0), 20),
    )
    in_no_order = replace(ordered, moments=None)
    assert standard_error(ordered, np.arange(4000)) == pytest.approx(values.std() / np.sqrt(200), rel=0.25)
    assert standard_error(in_no_order, np.arange(4000)) == pytest.approx(values.std() / np.sqrt(4000), rel=0.1)


@pytest.mark.parametrize(
    ("moments", "keys", "units", "ordered", "clusters"),
    [
        (None, None, 100, False, None),
        (None, range(100), 100, False, None),  # keys that never repeat
        (None, [one // 4 for one in range(100)], 25, False, None),
        (range(100), None, 100, True, None),
        ([one // 2 for one in range(100)], [one % 25 for one in range(100)], 50, True, 25),
        (range(100), [one % 5 for one in range(100)], 100, True, None),  # too few to know their spread
    ],
)
def test_rows_of_one_key_and_neighbours_may_resemble_each_other(moments, keys, units, ordered, clusters):
    every = np.ones(100, dtype=bool)
    history = History(
        truth=np.zeros(100),
        train=~every,
        validation=~every,
        test=every,
        classes=0,
        moments=None if moments is None else np.array(moments, dtype=float),
        keys=None if keys is None else np.array(keys, dtype=np.uint64),
    )
    found = dependence(history, np.arange(100))
    assert (found.units, found.ordered) == (units, ordered)
    assert found.independent == (units == 100 and not ordered)
    assert (found.clusters.units if found.clusters else None) == clusters
