"""Fitting: LightGBM with early stopping where nothing is declared, else the user's train function."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import lightgbm
import numpy as np
from numpy.typing import NDArray

from loopwright.bundle.modules import as_model
from loopwright.bundle.outputs import class_scores
from loopwright.core.cores import available_cores
from loopwright.declare import Model
from loopwright.errors import LoopwrightError, TrainingError
from loopwright.policies.tasks import TaskName
from loopwright.training.material import TrainData

Params = dict[str, Any]
Scores = NDArray[np.float64]
Report = Callable[[int, float], None]
"""Told the validation loss after some rounds of boosting; may raise to end the fit."""

ROUNDS = 1000
PATIENCE = 50
LEARNING_RATE = 0.1
REPORT_EVERY = 10
FEW_CELLS = 2_000_000
WIDE = 100
"""Matrix columns from which histograms are made column by column. Measured: on 2.1 M rows with three categories by rows
took half the time, on 50,000 rows of 300 columns a tenth more."""
FEWEST_IN_LEAF, MOST_IN_LEAF = 5, 20
"""Rows that a leaf must hold: LightGBM's own 20, a fifteenth of the rows where there are few. On sets of 40 to 400 made
rows smaller leaves learnt the noise (ROC-AUC 0.73 instead of 0.80 at 130 rows), and 20 let hardly a tree grow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """A fitted model. `score(matrix)` gives a number a row (binary: the positive class's probability), or one a class.

    `rounds` are the boosting rounds it has, None where there is no boosting or a user's function did it.
    """

    model: Any
    params: Params
    rounds: int | None
    score: Callable[[NDArray[Any]], Scores]


class Fit(Protocol):
    """A way to fit: parameters in, a fitted model out. Raises `TrainingError`."""

    def __call__(self, params: Params, report: Report | None = None) -> Fitted: ...


def threads(cells: int) -> int:
    """How many threads to use for a matrix of so many values: one for few, else one a core this process may use.

    On little data threads mostly wait for each other, and on a busy machine that costs more than they bring.
    """
    if cells < FEW_CELLS:
        return 1
    return available_cores()


def make_fit(model: Model, data: TrainData, *, rounds: int | None = None) -> Fit:
    """How this model is fitted: by its own train function, or LightGBM, in as many `rounds` where they are known."""
    if model.train_function is not None:
        return FunctionFit(model.train_function, data)
    return BoostingFit(data, rounds=rounds)


class BoostingFit:
    """LightGBM. The binned data are made once and serve every trial that does not ask for other bins."""

    def __init__(self, data: TrainData, *, rounds: int | None = None) -> None:
        """`rounds` fixes the number of boosting rounds; else validation rows end them, after `ROUNDS` at most."""
        self._data = data
        self._rounds = rounds
        self._made: dict[str, tuple[lightgbm.Dataset, lightgbm.Dataset]] = {}

    def __call__(self, params: Params, report: Report | None = None) -> Fitted:
        settings = {**self._defaults(), **{name: value for name, value in params.items() if name not in _ROUNDS}}
        most = self._rounds or next((params[name] for name in _ROUNDS if name in params), ROUNDS)
        try:
            booster = self._train(settings, int(most), report)
        except lightgbm.basic.LightGBMError as error:
            raise TrainingError(f"LightGBM refuses {params}: {error}", remedy="mend the search space") from error
        return Fitted(
            model=booster, params=params, rounds=booster.num_trees() // self._trees, score=self.scorer(booster)
        )

    def scorer(self, booster: lightgbm.Booster) -> Callable[[NDArray[Any]], Scores]:
        def score(matrix: NDArray[Any]) -> Scores:
            scores: Scores = booster.predict(matrix, num_threads=threads(matrix.size), validate_features=False)
            return scores

        return score

    @property
    def _trees(self) -> int:
        return len(self._data.classes) if self._data.task == "multiclass" else 1

    def _train(self, settings: Params, rounds: int, report: Report | None) -> lightgbm.Booster:
        train, validation = self._datasets({name: settings[name] for name in _OF_DATASET if name in settings})
        callbacks: list[Any] = [_reporter(report)] if report else []
        if self._rounds is None:
            callbacks.append(lightgbm.early_stopping(PATIENCE, first_metric_only=True, verbose=False))
        return lightgbm.train(
            settings, train, rounds, valid_sets=[validation] if self._rounds is None else None, callbacks=callbacks
        )

    def _datasets(self, settings: Params) -> tuple[lightgbm.Dataset, lightgbm.Dataset]:
        name = repr(sorted(settings.items()))
        if name not in self._made:
            data = self._data
            fixed = {**settings, "verbosity": -1, "feature_pre_filter": False, "num_threads": threads(data.X.size)}
            train = lightgbm.Dataset(data.X, data.y, categorical_feature=data.categorical, params=fixed)
            self._made = {name: (train, lightgbm.Dataset(*data.held_out, reference=train, params=fixed))}
        return self._made[name]

    def _defaults(self) -> Params:
        data = self._data
        objective: dict[TaskName, Params] = {
            "regression": {"objective": "regression"},
            "binary": {"objective": "binary"},
            "multiclass": {"objective": "multiclass", "num_class": len(data.classes)},
        }
        return {
            **objective[data.task],
            "learning_rate": LEARNING_RATE,
            "min_data_in_leaf": min(MOST_IN_LEAF, max(FEWEST_IN_LEAF, len(data.y) // 15)),
            "num_threads": threads(data.X.size),
            "seed": data.seed,
            "deterministic": True,
            # LightGBM would time both ways and so choose by chance; by rows is as fast or faster on all but wide data.
            "force_row_wise": data.X.shape[1] <= WIDE,
            "force_col_wise": data.X.shape[1] > WIDE,
            "feature_pre_filter": False,
            "verbosity": -1,
        }


class FunctionFit:
    """The user's train function, its faults said in its own terms."""

    def __init__(self, function: Callable[[Any, Params], Any], data: TrainData) -> None:
        self._function = function
        self._data = data

    def __call__(self, params: Params, report: Report | None = None) -> Fitted:
        random.seed(self._data.seed)
        np.random.seed(self._data.seed)  # for functions that draw from the process's own generator
        try:
            model = as_model(self._function(self._data, dict(params)))
        except LoopwrightError:
            raise
        except Exception as error:
            raise function_error("train", self._function, error) from error
        if not hasattr(model, "predict"):
            raise TrainingError(
                f"the train function returned {'nothing' if model is None else f'a {type(model).__name__}'}",
                remedy="return the fitted model: an object with predict (and predict_proba for classes), a PyTorch "
                "module or an XGBoost booster",
            )
        fitted = Fitted(model=model, params=params, rounds=None, score=self._scorer(model))
        _check_probabilities(fitted.score(self._data.X[:8]), self._data.task)
        return fitted

    def _scorer(self, model: Any) -> Callable[[NDArray[Any]], Scores]:
        data = self._data
        answer = model.predict if data.task == "regression" else getattr(model, "predict_proba", None) or model.predict

        def score(matrix: NDArray[Any]) -> Scores:
            try:
                said = answer(matrix)
                if data.task == "regression":
                    return _finite(np.asarray(said, dtype=np.float64).reshape(len(matrix)))
                scores = class_scores(said, data.classes, getattr(model, "classes_", None))
            except Exception as error:
                raise TrainingError(
                    f"the trained {type(model).__name__} cannot predict: {type(error).__name__}: {error}",
                    remedy="return a model whose predict (predict_proba for classes) takes a matrix like data.X",
                ) from error
            return _finite(scores[:, 1] if data.task == "binary" else scores)

        return score


def function_error(role: str, function: Callable[..., Any], error: Exception) -> TrainingError:
    """What a user's function raised, and where in its file."""
    code = getattr(function, "__code__", None)
    frames = [one for one in traceback.extract_tb(error.__traceback__) if code and one.filename == code.co_filename]
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno}: {frames[-1].line})" if frames else ""
    text = str(error).partition("\n")[0]
    return TrainingError(
        f"the {role} function {getattr(function, '__name__', role)} raised {type(error).__name__}{place}: {text}",
        remedy=f"mend the {role} function",
    )


def _check_probabilities(scores: Scores, task: TaskName) -> None:
    """Raise `TrainingError` where a classifier's scores cannot be probabilities."""
    sums = scores.sum(axis=1) if scores.ndim == 2 else np.ones(len(scores))
    if task != "regression" and not (np.all((scores >= 0) & (scores <= 1)) and np.allclose(sums, 1, atol=1e-3)):
        raise TrainingError(
            "the trained model does not answer with probabilities",
            remedy="let it answer with one a class that add up to 1: end a PyTorch module with a softmax, or for two "
            "classes with a sigmoid",
        )


def _finite(scores: Scores) -> Scores:
    if not np.all(np.isfinite(scores)):
        raise TrainingError(
            "the trained model predicts values that are not finite",
            remedy="look at the missing values (NaN) in data.X and at the scale of the target",
        )
    return scores


def _reporter(report: Report) -> Callable[[Any], None]:
    def callback(env: Any) -> None:
        if env.iteration % REPORT_EVERY == REPORT_EVERY - 1 and env.evaluation_result_list:
            _, _, value, more_is_better = env.evaluation_result_list[0][:4]
            report(env.iteration, -value if more_is_better else value)

    return callback


_ROUNDS = ("n_estimators", "num_iterations", "num_boost_round", "num_rounds", "n_iter", "num_trees")
_OF_DATASET = ("max_bin", "min_data_in_bin", "bin_construct_sample_cnt", "max_bin_by_feature", "enable_bundle")
