"""Rates by group: what is counted for each, and how far groups in order are known."""

import numpy as np
import polars as pl
import pytest

from loopwright.declare import Model
from loopwright.evaluation.fairness import judge_groups
from loopwright.evaluation.gate import decide_gate
from loopwright.evaluation.records import GroupRate
from loopwright.policies.gate import Fairness, Gate

ROWS = 3_000


@pytest.fixture
def unfair(world):
    """Men are called positive from a lower score on, which is no fault of the rows."""

    def make(*limits, ordered=False):
        rng = np.random.default_rng(1)
        x = rng.normal(size=ROWS)
        rows = pl.DataFrame(
            {
                "id": np.arange(ROWS),
                "x": x,
                "sex": rng.choice(["f", "m", "x"], ROWS, p=[0.5, 0.49, 0.01]),
                "y": np.where(x + rng.normal(size=ROWS) > 0, "yes", "no"),
            }
        )
        way = {"time": "id"} if ordered else {"key": "id"}
        model = Model("m", source="s", target="y", task="binary", gate=Gate(fairness=limits), **way)
        return world(model, rows, "binary", ("no", "yes"))

    return make


def lenient(columns):
    return np.where(columns["x"] + (columns["sex"] == "m") > 0, 0.9, 0.1)


def strict(columns):
    return np.where(columns["x"] > 0, 0.9, 0.1)


def test_rates_are_those_of_the_rows_that_count(unfair):
    rates = ("selection_rate", "tpr", "fpr", "error")
    made = unfair(*(Fairness("sex", rate, max_gap=0.1) for rate in rates))
    report = made.evaluate(lenient)
    test = made.test.filter(pl.col("sex") == "m")
    called, positive = lenient({name: test[name].to_numpy() for name in ("x", "sex")}) > 0.5, test["y"] == "yes"
    positive = positive.to_numpy()
    expected = {
        "selection_rate": called.mean(),
        "tpr": called[positive].mean(),
        "fpr": called[~positive].mean(),
        "error": (called != positive).mean(),
    }
    found = {one.rate: one for one in report.groups if one.group == "m"}
    assert {rate: one.value for rate, one in found.items()} == pytest.approx(expected)
    assert found["tpr"].rows == found["tpr"].effective == positive.sum()
    assert {one.group for one in report.groups} == {"f", "m"}  # of the third there are too few


def test_an_unfair_candidate_is_refused_and_a_fair_one_passes(unfair):
    limit = Fairness("sex", max_gap=0.15)
    for score, passed in ((lenient, False), (strict, True)):
        decision = decide_gate(Gate(fairness=[limit]), unfair(limit).evaluate(score)).decision
        assert decision.passed == passed
        assert ("fairness sex" in [one.rule for one in decision.failures]) == (not passed)


def test_groups_of_rows_in_order_are_known_as_well_as_fewer_rows(unfair):
    made = unfair(Fairness("sex", max_gap=0.1), ordered=True)
    made.rows = made.rows.with_columns(x=pl.Series(np.repeat(np.random.default_rng(2).normal(size=ROWS // 30), 30)))
    for one in made.evaluate(strict).groups:
        assert one.effective < 0.5 * one.rows


def test_a_fair_model_is_refused_as_seldom_as_it_says():
    """At the limit of two groups, of 400: 5 % by chance; from 1 % to 7.5 % is what five standard errors leave."""
    rng, refused = np.random.default_rng(3), 0
    for _ in range(400):
        refused += surely_broken(rng.binomial(200, 0.4) / 200, rng.binomial(200, 0.3) / 200)
    assert 4 <= refused <= 30


def surely_broken(first, second):
    groups = [
        GroupRate(column="sex", rate="tpr", group=name, rows=200, value=value, effective=200)
        for name, value in (("f", first), ("m", second))
    ]
    gate = Gate(fairness=[Fairness("sex", "tpr", max_gap=0.1)])
    return [one.finding for one in judge_groups(gate.fairness[0], groups, 0.05)] == ["fail"]
