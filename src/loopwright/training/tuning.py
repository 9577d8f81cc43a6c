"""Tuning: Optuna tries parameters, each trial is recorded, and the best model is kept as it was fitted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import optuna

from loopwright.core.clock import Clock, parse_duration
from loopwright.core.codec import to_json
from loopwright.declare import Tune
from loopwright.errors import LoopwrightError, TrainingError
from loopwright.policies.tasks import METRICS
from loopwright.training.fitting import REPORT_EVERY, Fit, Fitted, Params, Report, function_error
from loopwright.training.records import Trial

optuna.logging.set_verbosity(optuna.logging.ERROR)

STARTUP_TRIALS = 5
WARMUP_ROUNDS = 3 * REPORT_EVERY


class Tuning:
    """A search, trial by trial: at most as many as declared, none begun after the time budget."""

    def __init__(
        self,
        tune: Tune,
        *,
        fit: Fit,
        score: Callable[[Fitted], float | None],
        metric: str,
        seed: int,
        clock: Clock,
        progress: Callable[[str, float], None],
    ) -> None:
        self._tune = tune
        self._fit = fit
        self._score = score
        self._metric = metric
        self._clock = clock
        self._progress = progress
        self._more_is_better = METRICS[metric][1]
        self._study = optuna.create_study(
            direction="maximize" if self._more_is_better else "minimize",
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=WARMUP_ROUNDS),
        )
        self._best: tuple[float, Fitted] | None = None
        self._faults: list[LoopwrightError] = []

    def run(self, warm_start: Params | None) -> tuple[Fitted, tuple[Trial, ...]]:
        """The best model and every trial; `warm_start` are parameters to try first.

        Raises `TrainingError` where not one trial came to its end.
        """
        if warm_start:
            self._study.enqueue_trial(warm_start)
        end = self._clock.now() + parse_duration(self._tune.budget)
        trials: list[Trial] = []
        while len(trials) < self._tune.trials and (not trials or self._clock.now() < end):
            trials.append(self._try(len(trials)))
            self._progress(self._told(trials), len(trials) / self._tune.trials)
        if self._best is None:
            raise self._hopeless(len(trials))
        return self._best[1], tuple(trials)

    def _try(self, number: int) -> Trial:
        trial, started = self._study.ask(), self._clock.now()
        params: Params = {}
        try:
            params = self._search(trial)
            fitted = self._fit(params, self._reporter(trial))
            score = self._measure(fitted)
        except optuna.TrialPruned:
            self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            return self._record(number, "pruned", params, None, started)
        except LoopwrightError as error:
            self._faults.append(error)
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
            return self._record(number, "failed", params, None, started)
        self._study.tell(trial, score)
        if self._best is None or (score > self._best[0] if self._more_is_better else score < self._best[0]):
            self._best = (score, fitted)
        return self._record(number, "complete", params, score, started)

    def _search(self, trial: optuna.Trial) -> Params:
        try:
            params = self._tune.search(trial)
        except optuna.TrialPruned:
            raise
        except Exception as error:
            raise function_error("tune", self._tune.search, error) from error
        try:
            to_json(params)
        except TypeError as error:
            raise TrainingError(f"the tune function returned {params}: {error}", remedy="return plain values") from None
        if not isinstance(params, dict):
            raise TrainingError(
                f"the tune function returned a {type(params).__name__}", remedy="return a dict of parameters"
            )
        return params

    def _measure(self, fitted: Fitted) -> float:
        score = self._score(fitted)
        if score is None:
            raise TrainingError(
                f"{self._metric} has no meaning on the validation rows",
                remedy="bring more rows, or put the gate on another metric",
            )
        return score

    def _reporter(self, trial: optuna.Trial) -> Report:
        def report(step: int, loss: float) -> None:
            trial.report(-loss if self._more_is_better else loss, step)
            if trial.should_prune():
                raise optuna.TrialPruned

        return report

    def _record(self, number: int, state: Any, params: Params, score: float | None, started: datetime) -> Trial:
        seconds = (self._clock.now() - started) / timedelta(seconds=1)
        return Trial(number=number, state=state, params=params, score=score, seconds=seconds, started=started)

    def _told(self, trials: list[Trial]) -> str:
        last = trials[-1]
        came = last.state if last.score is None else f"{self._metric} {last.score:.4g}"
        best = "" if self._best is None else f", best {self._best[0]:.4g}"
        return f"trial {len(trials)} of {self._tune.trials}: {came}{best}"

    def _hopeless(self, trials: int) -> TrainingError:
        first = self._faults[0] if self._faults else TrainingError("every trial was pruned")
        return TrainingError(f"all {trials} trials failed; the first: {first.message}", remedy=first.remedy)
