"""Tuning: every trial is recorded, the best is kept, failures are failed trials, time is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest

from loopwright.core.clock import VirtualClock
from loopwright.declare import Tune
from loopwright.errors import TrainingError
from loopwright.training.fitting import Fitted, Params, Report
from loopwright.training.tuning import Tuning


def fit(params: Params, report: Report | None = None) -> Fitted:
    return Fitted(model=params, params=params, rounds=None, score=lambda matrix: np.zeros(len(matrix)))


class Bench:
    """A search over `x` whose score is its distance from 0.3, on a clock where each trial takes ten seconds."""

    def __init__(
        self, search: Any, *, trials: int = 12, budget: str = "10m", metric: str = "rmse", fit: Any = fit
    ) -> None:
        self.clock = VirtualClock()
        self.told: list[tuple[str, float]] = []
        self.tuning = Tuning(
            Tune(search, trials, budget),
            fit=fit,
            score=self.score,
            metric=metric,
            seed=0,
            clock=self.clock,
            progress=lambda text, done: self.told.append((text, done)),
        )
        self.sign = -1 if metric == "r2" else 1

    def score(self, fitted: Fitted) -> float | None:
        self.clock.sleep(10)
        return self.sign * abs(fitted.params["x"] - 0.3)


def search(trial: optuna.Trial) -> Params:
    return {"x": trial.suggest_float("x", 0, 1), "fixed": 7}


@pytest.mark.parametrize("metric", ["rmse", "r2"])
def test_the_best_of_all_trials_is_kept_and_each_is_recorded(metric: str) -> None:
    bench = Bench(search, metric=metric)
    best, trials = bench.tuning.run(None)
    assert [one.number for one in trials] == list(range(12))
    assert all((one.state, one.seconds) == ("complete", 10.0) for one in trials)
    assert best.params == min(trials, key=lambda one: abs(one.params["x"] - 0.3)).params
    assert best.params["fixed"] == 7
    assert [done for _, done in bench.told] == pytest.approx([one / 12 for one in range(1, 13)])
    assert "trial 12 of 12" in bench.told[-1][0]


def test_the_same_seed_tries_the_same() -> None:
    assert Bench(search).tuning.run(None)[0].params == Bench(search).tuning.run(None)[0].params


def test_parameters_from_before_are_tried_first() -> None:
    _, trials = Bench(search).tuning.run({"x": 0.31, "fixed": 7, "gone": 1})
    assert trials[0].params == {"x": 0.31, "fixed": 7}


def test_no_trial_begins_after_the_budget() -> None:
    _, trials = Bench(search, budget="25s").tuning.run(None)
    assert len(trials) == 3
    _, trials = Bench(search, budget="0s").tuning.run(None)
    assert len(trials) == 1


def test_a_failing_trial_is_a_failed_trial() -> None:
    def touchy(trial: optuna.Trial) -> Params:
        if trial.number % 2:
            raise ValueError("odd")
        return search(trial)

    best, trials = Bench(touchy).tuning.run(None)
    assert [one.state for one in trials] == ["complete", "failed"] * 6
    assert best.params["fixed"] == 7


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (
            lambda trial: 1 / 0,
            r"all 12 trials failed; the first: the tune function <lambda> raised ZeroDivisionError.*line",
        ),
        (lambda trial: None, "the tune function returned a NoneType"),
        (lambda trial: {"x": object()}, "the tune function returned"),
    ],
)
def test_all_failing_is_an_error_with_the_first_reason(search: Any, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        Bench(search).tuning.run(None)


def test_a_hopeless_trial_is_pruned_by_what_it_reports() -> None:
    def reporting(params: Params, report: Report | None = None) -> Fitted:
        assert report is not None
        for step in range(9, 100, 10):
            report(step, params["x"])
        return fit(params)

    def worse_and_worse(trial: optuna.Trial) -> Params:
        return {"x": trial.suggest_float("x", trial.number / 20, trial.number / 20 + 0.01)}

    _, trials = Bench(worse_and_worse, fit=reporting).tuning.run(None)
    assert {one.state for one in trials[:5]} == {"complete"}
    assert {one.state for one in trials[5:]} == {"pruned"}
    assert all(one.score is None for one in trials[5:])


def test_a_score_without_meaning_fails_the_trial() -> None:
    bench = Bench(search)
    bench.tuning._score = lambda fitted: None
    with pytest.raises(TrainingError, match="rmse has no meaning"):
        bench.tuning.run(None)
