"""Dummies: what they say, and that they look back only as far as was known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.evaluation.dummies import DAY, earlier_label, prior, season_before, steady, value_before
from loopwright.evaluation.rows import History
from loopwright.evaluation.tasks import TASKS, Binary, Multiclass, choose_dummy

HOUR = DAY / 24


def history(truth, moments=None, *, classes=0, delay=0.0, train=0.5, dated=True):
    truth = np.array(truth, dtype=float)
    place, known = np.arange(len(truth)), ~np.isnan(truth)
    first, second = round(len(truth) * train), round(len(truth) * (1 + train) / 2)
    return History(
        truth=truth,
        train=known & (place < first),
        validation=known & (place >= first) & (place < second),
        test=known & (place >= second),
        classes=classes,
        moments=None if moments is None else np.array(moments, dtype=float),
        dated=dated,
        delay=delay,
    )


def only(dummies):
    (dummy,) = dummies
    return dummy.guess


def test_steady_says_the_same_of_every_row():
    assert steady(3.5)(np.arange(3)).tolist() == [3.5, 3.5, 3.5]


def test_the_prior_is_the_classes_shares_in_training():
    rows = history([0, 0, 1, 2, 2, 2, 2, 2], classes=3)
    assert prior(rows)(np.array([7])).tolist() == [[0.5, 0.25, 0.25]]


def test_the_last_value_known_is_that_of_the_moment_before():
    rows = history([1, 2, 3, 4], [10, 20, 30, 40])
    assert only(value_before(rows))(np.array([1, 2, 3])).tolist() == [1, 2, 3]


def test_rows_of_one_moment_do_not_know_each_other_and_count_by_their_mean():
    rows = history([1, 3, 10, 20], [10, 10, 20, 20])
    assert only(value_before(rows))(np.array([2, 3])).tolist() == [2, 2]


def test_where_nothing_is_known_yet_the_training_mean_is_said():
    rows = history([1, 3, 10, 20], [10, 20, 30, 40])
    assert only(value_before(rows))(np.array([0])).tolist() == [2]


@pytest.mark.parametrize(("delay", "said"), [(0, 3), (10, 3), (11, 2), (20, 2), (25, 1)])
def test_a_value_is_known_once_its_delay_has_passed(delay, said):
    rows = history([1, 2, 3, 4], [10, 20, 30, 40], delay=delay)
    assert only(value_before(rows))(np.array([3])).tolist() == [said]


def test_rows_whose_truth_is_unknown_are_looked_past():
    rows = history([1, np.nan, np.nan, 4], [10, 20, 30, 40])
    assert only(value_before(rows))(np.array([3])).tolist() == [1]


def test_rows_in_no_order_have_nothing_to_look_back_on():
    rows = history([1, 2, 1, 2], classes=2)
    assert value_before(rows) == season_before(rows) == earlier_label(rows) == []


def test_a_delay_in_time_says_nothing_of_rows():
    rows = history([1, 2, 1, 2], [0, 1, 2, 3], classes=2, delay=None, dated=False)
    assert value_before(rows) == earlier_label(rows) == []


def test_hourly_rows_know_the_day_and_the_week_before():
    hours = np.arange(24 * 28)
    rows = history(hours, hours * HOUR)
    day, week = season_before(rows)
    assert (day.name, week.name) == ("the value a day before", "the value a week before")
    assert day.guess(np.array([600])).tolist() == [576]
    assert week.guess(np.array([600])).tolist() == [600 - 168]


def test_a_season_goes_back_as_many_periods_as_the_delay_asks_for():
    hours = np.arange(24 * 28)
    day, _ = season_before(history(hours, hours * HOUR, delay=1.5 * DAY))
    assert day.guess(np.array([600])).tolist() == [600 - 48]


def test_a_gap_in_the_season_is_filled_by_the_last_value_known():
    hours = np.delete(np.arange(24 * 28), 576)
    day, _ = season_before(history(hours, hours * HOUR))
    place = int(np.flatnonzero(hours == 600)[0])
    assert day.guess(np.array([place])).tolist() == [599]


def test_monthly_rows_know_the_same_month_of_the_year_before():
    months = np.arange("2018-01", "2026-01", dtype="M8[M]")
    moments = months.astype("M8[us]").astype(np.int64)
    (year,) = season_before(history(np.arange(96), moments))
    assert year.name == "the value a year before"
    assert year.guess(np.array([90])).tolist() == [78]


def test_irregular_rows_have_no_season():
    moments = np.sort(np.random.default_rng(0).uniform(0, 28 * DAY, 500))
    assert season_before(history(np.arange(500), moments)) == []


def test_numbers_as_order_have_no_season():
    hours = np.arange(24 * 28)
    assert season_before(history(hours, hours * HOUR, dated=False)) == []


def test_the_class_after_the_last_one_is_learned_from_training():
    truth = np.tile([0, 1], 50)
    guess = only(earlier_label(history(truth, np.arange(100), classes=2)))
    said = guess(np.array([98, 99]))
    assert said.sum(axis=1) == pytest.approx([1, 1])
    assert said[0, 0] > 0.95
    assert said[1, 1] > 0.95


def test_the_dummy_is_the_one_that_does_best_on_the_validation_rows():
    hours = np.arange(24 * 28)
    waves = history(5 * np.sin(2 * np.pi * hours / 24) + 0.01 * hours, hours * HOUR)
    steps = history(np.floor(hours / 100), hours * HOUR)
    assert choose_dummy(TASKS["regression"], waves, "rmse").name == "the value a day before"
    assert choose_dummy(TASKS["regression"], steps, "rmse").name == "the last value known"


def test_the_median_is_the_dummy_of_absolute_errors():
    rows = history([1, 1, 1, 100, 1, 1, 1, 1])
    assert choose_dummy(TASKS["regression"], rows, "mae").name == "the median"


def test_a_binary_dummy_says_the_probability_of_the_positive_class():
    rows = history([0, 0, 0, 1, 0, 1, 0, 1], classes=2)
    dummy = choose_dummy(TASKS["binary"], rows, "roc_auc")
    assert dummy.guess(np.array([6, 7])).tolist() == [0.25, 0.25]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_guess_changes_when_what_was_not_known_yet_does(data):
    """Truth of the row's own moment, of later ones, and of those within the delay is out of reach."""
    count = 120
    hours = np.sort(np.array(data.draw(st.lists(st.integers(0, 100), min_size=count, max_size=count))))
    delay = data.draw(st.sampled_from([0, 1, 5, 30])) * HOUR
    place = data.draw(st.integers(60, count - 1))
    truth = np.random.default_rng(1).integers(0, 3, count).astype(float)
    known = (hours * HOUR + delay <= hours[place] * HOUR) & (hours < hours[place])
    other = np.where(known | (np.arange(count) < 60), truth, 2 - truth)
    where = np.array([place])
    for make in (value_before, season_before, earlier_label):
        before, after = (make(history(one, hours * HOUR, classes=3, delay=delay)) for one in (truth, other))
        assert [one.guess(where).tolist() for one in before] == [one.guess(where).tolist() for one in after]


def test_what_repeats_the_past_is_marked_for_two_classes_as_for_many():
    truth = (np.arange(100) // 10 % 2).astype(float)
    rows = history(truth, np.arange(100), classes=2)
    for task in (Binary(), Multiclass()):
        assert [one.persists for one in task.dummies(rows)] == [False, True]
