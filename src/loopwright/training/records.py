"""The training room's records: the split, trials, and the candidate that training makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from loopwright.data.records import DatasetVersion
from loopwright.policies.tasks import TaskName

ForeignKind = Literal["mlflow", "lightgbm", "onnx", "pickle"]
"""An MLflow model directory; LightGBM's text model; an ONNX file; a pickled estimator (joblib's files too)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SplitPlan:
    """Which rows are for what, as a rule that gives the same answer whenever it is asked.

    time: rows before `validation_from` train, rows from `test_from` on test (ISO 8601 values of `column`; rows of one
    moment never part), and rows whose label was not known yet when the next part began (`label_delay`) are left out.
    rows: the same by row number, from 0. hash: by a hash of `column`, or of all of `columns` where there is no key, in
    shares: the lowest hashes test, the next validate, the rest train.
    """

    kind: Literal["time", "rows", "hash"]
    column: str | None = None
    validation_from: str = ""
    test_from: str = ""
    validation_share: float = 0.0
    test_share: float = 0.0
    label_delay: str = "0d"
    rows: dict[str, int] = field(default_factory=dict)
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One set of parameters tried: `score` on the validation rows (None when pruned or failed), `seconds` it took."""

    number: int
    state: Literal["complete", "pruned", "failed"]
    params: dict[str, Any]
    score: float | None
    seconds: float
    started: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """What training made: a bundle folder that can predict, and how it came about.

    `folder` is its object-store folder, `digest` that of its manifest. `score` is `metric` on the validation rows,
    `importance` each feature's share (1 in all), `rows` those it was fitted on. `notes` say what was inferred, left out
    and decided on the way. `params` are the settings found, `rounds` the boosting rounds (None where there are none),
    `watched` whether the train function looked at the validation rows.
    """

    id: str
    model: str
    task: TaskName
    folder: str
    digest: str
    metric: str
    params: dict[str, Any]
    split: SplitPlan
    score: float | None
    threshold: float
    features: tuple[str, ...]
    importance: dict[str, float]
    rows: int
    trained_until: str | None
    seconds: float
    cores: int = 1
    trials: tuple[Trial, ...] = ()
    notes: tuple[str, ...] = ()
    rounds: int | None = None
    watched: bool = False
    origin: Literal["trained", "imported"] = "trained"


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainTask:
    """A training job's task: make a candidate of `dataset` and put its bundle into the object-store folder `folder`.

    `warm_start` are parameters to try first where the model is tuned (the champion's). `onnx` says whether to convert.
    """

    candidate_id: str
    run_id: str
    dataset: DatasetVersion
    folder: str
    warm_start: dict[str, Any] | None = None
    onnx: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportedModel:
    """A model trained elsewhere, as it was brought in: the file or folder `name` in the object-store folder `folder`.

    `trained_until` is the newest value of the time column that it has seen, where its maker says so.
    """

    folder: str
    name: str
    kind: ForeignKind
    trained_until: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportTask:
    """An import job's task: wrap `imported` as a candidate for `dataset`, with its bundle in the folder `folder`."""

    candidate_id: str
    run_id: str
    dataset: DatasetVersion
    folder: str
    imported: ImportedModel


@dataclass(frozen=True, kw_only=True, slots=True)
class RefitTask:
    """A refit job's task: fit `candidate` again on all rows that may be seen, and write the final bundle to `folder`.

    `reference_key` is where the evaluation left its `Reference`; `bundle_extras` maps the names of further files for
    the bundle (`contract.odcs.yaml`, `profile.json`, `evaluation.json`) to the object-store keys they are copied from.
    """

    candidate: Candidate
    dataset: DatasetVersion
    folder: str
    reference_key: str
    bundle_extras: dict[str, str] = field(default_factory=dict)
    onnx: bool = True
