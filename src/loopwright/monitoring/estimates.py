"""How good predictions should be where no label has come: estimates, from what an evaluation left for them."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from math import sqrt
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.bundle.records import Manifest
from loopwright.core.codec import from_json
from loopwright.errors import BundleError, NotFoundError
from loopwright.evaluation.losses import LossModel
from loopwright.evaluation.records import Estimate, EvaluationReport
from loopwright.evaluation.tasks import Scores
from loopwright.ports.storage import Storage
from loopwright.statistics.bootstrap import by_rows
from loopwright.statistics.expected import Calibration, calibrate, expected_metrics
from loopwright.statistics.metrics import metric
from loopwright.traffic.predictions import INPUT

LEAST_TESTED = 200
"""Fewer test rows than this say too little of what scores mean."""

DRAWS = 60
MOST_DRAWN = 20_000
"""Rows of a window that are drawn for the bounds: of more, the first so many by lot, and bounds err to the wide."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tested:
    """Scores and truths of a version's test rows, [n] each (scores of several classes [n, classes])."""

    scores: Scores
    truth: Scores


class Estimator(Protocol):
    def estimate(self, rows: pl.DataFrame, scores: Scores, deciding: str) -> dict[str, Estimate]:
        """Every metric that can be told of predictions of `scores` for the ledger's `rows`; bounds for `deciding`."""


def evaluation_of(storage: Storage, folder: str) -> EvaluationReport | None:
    """The evaluation in a version's bundle; None where it brought none. Raises `BundleError`."""
    key = f"{folder}/evaluation.json"
    try:
        return from_json(storage.get(key), EvaluationReport)
    except NotFoundError:
        return None
    except ValueError as error:
        raise BundleError(f"{key} is no evaluation: {error}", remedy="the bundle was changed; run again") from error


def tested_rows(storage: Storage, evaluation: EvaluationReport | None) -> Tested | None:
    """What the evaluation kept of its test rows; None where that is nothing."""
    if evaluation is None or not evaluation.scores:
        return None
    try:
        frame = pl.read_parquet(io.BytesIO(storage.get(evaluation.scores)))
    except NotFoundError:
        return None
    scores = frame.drop("truth").to_numpy()
    return Tested(scores=scores[:, 0] if scores.shape[1] == 1 else scores, truth=frame["truth"].to_numpy())


def estimator_of(
    storage: Storage, manifest: Manifest, evaluation: EvaluationReport | None, tested: Tested | None
) -> Estimator | None:
    """What estimates the version's quality; None where its evaluation left too little for that."""
    if tested is None or evaluation is None or len(tested.truth) < LEAST_TESTED:
        return None
    if manifest.task == "regression":
        try:
            model = from_json(storage.get(evaluation.loss_model), LossModel) if evaluation.loss_model else None
        except NotFoundError:
            model = None
        return _ByLoss(model=model, errors=np.abs(tested.truth - tested.scores)) if model else None
    return _ByConfidence(manifest=manifest, calibrations=_calibrations(tested))


@dataclass(frozen=True, kw_only=True, slots=True)
class _ByConfidence:
    """CBPE, see `loopwright.statistics.expected`. The bounds are of what would be measured if labels came: each draw
    takes a calibration from other test rows, and labels by its chances.
    """

    manifest: Manifest
    calibrations: tuple[Calibration, ...]

    def estimate(self, rows: pl.DataFrame, scores: Scores, deciding: str) -> dict[str, Estimate]:
        task, threshold = self.manifest.task, self.manifest.threshold
        chances = self.calibrations[0].chances(scores)
        found = expected_metrics(task, scores, chances, threshold=threshold)
        made = {name: Estimate(value=value) for name, value in found.items()}
        if deciding in made:
            low, high = self._bounds(scores, deciding)
            made[deciding] = Estimate(value=made[deciding].value, low=low, high=high)
        return made

    def _bounds(self, scores: Scores, name: str) -> tuple[float | None, float | None]:
        rng = np.random.default_rng(len(scores))
        few = rng.choice(scores, MOST_DRAWN, replace=False) if len(scores) > MOST_DRAWN else scores
        drawn = []
        for calibration in self.calibrations[1:]:
            reached = calibration.chances(few).cumsum(axis=1)
            truth = (rng.random(len(few))[:, None] > reached[:, :-1]).sum(axis=1)
            drawn.append(metric(self.manifest.task, name, truth, few, threshold=self.manifest.threshold))
        known = [one for one in drawn if one is not None]
        if len(known) < len(drawn) / 2:
            return None, None
        low, high = np.quantile(known, [0.025, 0.975])
        return float(low), float(high)


@dataclass(frozen=True, kw_only=True, slots=True)
class _ByLoss:
    """Direct loss estimation, see `loopwright.evaluation.estimator`: the mean of the losses that a model of them
    expects. The bounds take the losses' relative spread from the test rows, for a mean of the window's rows and for the
    test rows' own.
    """

    model: LossModel
    errors: NDArray[np.float64] = field(repr=False)

    def estimate(self, rows: pl.DataFrame, scores: Scores, deciding: str) -> dict[str, Estimate]:
        inputs = rows.select(pl.col(f"^{re.escape(INPUT)}.*$").name.map(lambda name: name[len(INPUT) :]))
        absolute, squared = self.model.losses(inputs, scores)
        mae, mse = float(absolute.mean()), float(squared.mean())
        off, square_off = self._spread(self.errors, len(scores)), self._spread(self.errors**2, len(scores))
        return {
            "mae": Estimate(value=mae, low=mae * max(0.0, 1 - off), high=mae * (1 + off)),
            "rmse": Estimate(
                value=sqrt(mse), low=sqrt(mse * max(0.0, 1 - square_off)), high=sqrt(mse * (1 + square_off))
            ),
        }

    @staticmethod
    def _spread(losses: NDArray[np.float64], rows: int) -> float:
        mean = float(losses.mean())
        return 1.96 * float(losses.std()) / mean * sqrt(1 / rows + 1 / len(losses)) if mean else 0.0


def _calibrations(tested: Tested) -> tuple[Calibration, ...]:
    """That of all test rows, and one of each of `DRAWS` resamples of them."""
    draws = by_rows(len(tested.truth), seed=0, resamples=DRAWS)
    return (
        calibrate(tested.scores, tested.truth),
        *(calibrate(tested.scores, tested.truth, count[draws.unit]) for count in draws.counts),
    )
