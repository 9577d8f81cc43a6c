"""The world: the same for the same seed, and truthful about what is labelled and what is measured."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from loopwright.declare import Declaration
from loopwright.errors import DataError, DeclarationError
from loopwright.simulation.records import Arrivals, BadBatch, Drift, Labels, Scenario
from loopwright.simulation.world import World

DRAWN = Declaration(name="m", source="x.csv", target="y", key="id")
DATED = Declaration(name="m", source="x.csv", target="y", time="day", key="id")


def frame(days: int = 100, each: int = 5) -> pl.DataFrame:
    random, count = np.random.default_rng(1), days * each
    a = random.normal(size=count)
    day = [date(2026, 3, 1) + timedelta(days=one // each) for one in range(count)]
    return pl.DataFrame({"id": np.arange(count), "day": day, "a": a, "y": 2 * a + random.normal(size=count)})


def drawn(seed: int = 0, **scenario: object) -> World:
    return World(DRAWN, "regression", Scenario(**scenario), frame(), mode="resampled", days=10, seed=seed)


def replayed(days: int = 20, **scenario: object) -> World:
    return World(DATED, "regression", Scenario(**scenario), frame(), mode="replay", days=days, seed=0)


def test_the_same_seed_makes_the_same_day_and_another_another() -> None:
    assert drawn().day(3).rows.equals(drawn().day(3).rows)
    assert not drawn().day(3).rows.equals(drawn(seed=1).day(3).rows)


def test_drawn_rows_that_are_labelled_are_never_measured_on_any_day() -> None:
    world = drawn(arrivals=Arrivals(per_day=300), labels=Labels(per_day=100))
    learned, measured = set(), set()
    for day in range(10):
        made = world.day(day)
        assert not (made.labelled & made.measured).any()
        learned |= set(made.rows.filter(made.labelled)["a"])
        measured |= set(made.rows.filter(made.measured)["a"])
    assert not learned & measured


def test_drawn_rows_have_keys_of_their_own() -> None:
    world = drawn(history=500)
    keys = [*world.history()["id"], *world.day(0).rows["id"], *world.day(1).rows["id"]]
    assert len(set(keys)) == len(keys)


def test_rows_are_replayed_on_their_days_and_the_rest_is_history() -> None:
    world = replayed()
    assert world.start == datetime(2026, 5, 20, tzinfo=UTC)
    assert world.history().height == 80 * 5
    made = world.day(3)
    assert set(made.rows["day"]) == {date(2026, 5, 23)}
    assert made.labelled.all()
    assert made.measured.all()


def test_more_predictions_than_rows_repeat_rows_that_are_labelled_once() -> None:
    made = replayed(arrivals=Arrivals(per_day=50, weekly=0)).day(0)
    assert made.rows.height == 50
    assert made.rows.filter(made.labelled)["id"].to_list() == sorted(set(made.rows["id"]))


def test_some_of_the_rows_stay_history_however_many_days_are_asked_for() -> None:
    assert replayed(days=1000).days == 75


def test_rows_out_of_order_are_refused() -> None:
    with pytest.raises(DataError, match="order"):
        World(DATED, "regression", Scenario(), frame().reverse(), mode="replay", days=5, seed=0)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(DataError, match="100 labelled rows"):
        World(DRAWN, "regression", Scenario(), frame(days=20), mode="resampled", days=5, seed=0)


def test_a_covariate_drift_moves_the_inputs_and_leaves_what_follows_from_them() -> None:
    world = drawn(arrivals=Arrivals(per_day=5000), drift=(Drift(kind="covariate", at=5, column="a"),))
    before, after = world.day(4).rows, world.day(5).rows
    assert after["a"].mean() - before["a"].mean() > 0.6

    def residual(rows: pl.DataFrame) -> float:
        return float((rows["y"] - 2 * rows["a"]).mean())

    assert abs(residual(after) - residual(before)) < 0.25


def test_weekends_and_nights_are_quieter() -> None:
    world = drawn(arrivals=Arrivals(per_day=1000, daily=0.9, weekly=0.5))
    counts = [world.day(day).rows.height for day in range(7)]
    assert counts[5] == counts[6] == pytest.approx(counts[0] / 2, abs=1)
    hours = np.bincount((world.day(0).seconds // 3600).astype(int), minlength=24)
    assert hours[14] > 4 * hours[2]


def test_the_referee_sees_rows_that_nobody_learned_from() -> None:
    world = drawn()
    learned = set(world.history()["a"]) | set(world.sample(3, 1000)["a"])
    assert not learned & set(world.ahead(3, 500)["a"])


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        ({"drift": (Drift(kind="covariate", at=1, column="aa"),)}, "'aa', which is no column of m"),
        ({"drift": (Drift(kind="concept", at=1, column="day"),)}, "'day', which is a column of no numbers"),
        ({"bad_batch": (BadBatch(kind="nulls", at=1, column="aa"),)}, "'aa'"),
        ({"bad_batch": (BadBatch(kind="swapped", at=1, column="a", other="bb"),)}, "'bb'"),
        ({"bad_batch": (BadBatch(kind="units", at=1, column="day"),)}, "'day'"),
    ],
)
def test_a_column_that_a_scenario_cannot_spoil_is_refused_with_those_it_can(happens, said) -> None:
    with pytest.raises(DeclarationError, match=said) as caught:
        drawn(**happens)
    assert "a" in caught.value.remedy.removeprefix("name one of: ").split(", ")
