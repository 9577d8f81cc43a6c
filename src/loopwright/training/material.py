"""What a model is fitted on: from a dataset version and a declaration to matrices and targets, told on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.bundle.records import Encoding, Input
from loopwright.data.records import DatasetVersion
from loopwright.declare import Declaration, Model
from loopwright.errors import TrainingError
from loopwright.features.checks import BLOCK, check_rows_alone
from loopwright.features.columns import Role
from loopwright.features.function import collect_features, visible_columns
from loopwright.features.inputs import feature_names, make_inputs, needed_columns
from loopwright.features.matrix import Mask, Read, fill_matrices, fit_encoding, refit_encoding
from loopwright.policies.tasks import TaskName
from loopwright.training.hashing import hash_values
from loopwright.training.leakage import check_twins
from loopwright.training.records import Candidate, SplitPlan
from loopwright.training.split import assign, newest, split_rows
from loopwright.training.target import TargetPlan, plan_target, target_values

Matrix = NDArray[np.floating[Any]]


class TrainData:
    """What a train function is given.

    `X` `[n, f]` and `y` `[n]` are the training rows, `X_validation` and `y_validation` those for early stopping; for
    a classification `y` holds places in `classes` (whole numbers from 0; binary: 1 is the positive class). Missing
    values are NaN. `names` are the matrix columns, `categorical` the places of those that hold categories (-1: unseen).
    Matrices are 64 bits wide for a train function of one's own; LightGBM, which puts values into bins, is given the
    training rows in 32 bits: rounding keeps their order, so its splits lie between the values as the model sees them.
    """

    def __init__(
        self,
        *,
        X: Matrix,
        y: NDArray[Any],
        X_validation: Matrix,
        y_validation: NDArray[Any],
        encoding: Encoding,
        task: TaskName,
        classes: tuple[str, ...],
        seed: int,
    ) -> None:
        self.X = X
        self.y = y
        self.names = list(encoding.names)
        self.categorical = list(encoding.categorical)
        self.task = task
        self.classes = classes
        self.seed = seed
        self.watched = False
        self._validation = (X_validation, y_validation)

    @property
    def X_validation(self) -> Matrix:  # noqa: N802 - as X
        self.watched = True  # a refit must then keep rows aside for the function to look at
        return self._validation[0]

    @property
    def y_validation(self) -> NDArray[Any]:
        self.watched = True
        return self._validation[1]

    @property
    def held_out(self) -> tuple[Matrix, NDArray[Any]]:
        """The validation rows, for Loopwright's own use."""
        return self._validation


@dataclass(frozen=True, kw_only=True, slots=True)
class Material:
    """All that fitting and bundling need: the data, how it was made, and what is worth telling."""

    target: TargetPlan
    split: SplitPlan
    encoding: Encoding
    inputs: tuple[Input, ...]
    data: TrainData
    trained_until: str | None
    notes: tuple[str, ...] = field(default=())


def prepare(model: Model, dataset: DatasetVersion, rows: pl.LazyFrame) -> Material:
    """Split, features, checks, encoding and matrices for training a candidate.

    Raises `DataError`, `DeclarationError`, `FeatureError` and `TrainingError`.
    """
    declared = model.declaration
    targets = rows.select(declared.target).collect().to_series()
    known = targets.is_not_null()
    plan = plan_target(declared, targets)
    split, parts = split_rows(declared, rows)
    train, validation = ((known & (parts == part)).to_numpy() for part in ("train", "validation"))
    classes, lost = _classes_in(plan, targets.filter(pl.Series(train)), declared)
    truth = target_values(plan.task, classes, targets)
    validation &= ~np.isnan(truth)
    if not validation.any():
        raise TrainingError(
            f"{declared.name}: no validation row has a target that the training rows hold too",
            remedy="bring more rows of each class",
        )
    read, roles, columns = open_features(model, rows)
    encoding, said = fit_encoding(roles, read, train)
    data = _fill(model, encoding, read, truth, train, validation, plan.task, classes)
    trusted = check_twins(encoding, data.X, data.y, plan.task, declared)
    return Material(
        target=TargetPlan(task=plan.task, classes=classes, positive=plan.positive, note=plan.note),
        split=split,
        encoding=encoding,
        inputs=_inputs(model, columns, encoding, dataset),
        data=data,
        trained_until=reached(declared, rows, train),
        notes=(plan.note, *_row_notes(targets, known, parts, split), *lost, *said, *trusted),
    )


def prepare_refit(
    model: Model,
    dataset: DatasetVersion,
    rows: pl.LazyFrame,
    candidate: Candidate,
    target: TargetPlan,
    encoding: Encoding,
) -> Material:
    """The same features on all rows that may be seen: by a hash all but the test rows, by time and row number all.

    Where the train function looks at validation rows, a tenth of the rows is kept aside for it.
    """
    targets = rows.select(model.declaration.target).collect().to_series()
    truth = target_values(target.task, target.classes, targets)
    train = ~np.isnan(truth)
    notes = [f"refitted on {int(train.sum()):,} rows: all whose target is known"]
    if candidate.split.kind == "hash":
        train &= (assign(candidate.split, rows) != "test").to_numpy()
        notes = [f"refitted on {int(train.sum()):,} rows: all but the test rows, which stay unseen for ever"]
    aside = np.zeros(len(train), dtype=bool)
    if candidate.watched:
        aside = train & (hash_values(pl.Series(np.arange(len(train)))) % np.uint64(10) == 0)
        notes.append("a tenth of them was kept aside, because the train function looks at validation rows")
    train &= ~aside
    read, _, columns = open_features(model, rows)
    encoding = refit_encoding(encoding, read, train)
    return Material(
        target=target,
        split=candidate.split,
        encoding=encoding,
        inputs=_inputs(model, columns, encoding, dataset),
        data=_fill(model, encoding, read, truth, train, aside, target.task, target.classes),
        trained_until=reached(model.declaration, rows, train),
        notes=tuple(notes),
    )


def open_features(model: Model, rows: pl.LazyFrame) -> tuple[Read, dict[str, Role], list[str]]:
    """How to read a feature column, the columns there are, and the raw columns they come from."""
    declared, function = model.declaration, model.features_function
    visible = visible_columns(declared, list(rows.collect_schema()))
    if function is None:
        names = [name for name in visible if name != declared.key]
        roles: dict[str, Role] = {name: "time" if name == declared.time else "given" for name in names}
        return lambda name: rows.select(name).collect().to_series(), roles, names
    needed = needed_columns(function, rows.select(visible).head(BLOCK).collect(), declared)
    rows = rows.select(needed)
    frame = collect_features(function, rows, declared)
    check_rows_alone(function, rows, frame, declared)
    made: dict[str, Role] = dict.fromkeys(feature_names(frame.columns, declared), "made")
    return frame.get_column, made, needed


def _inputs(model: Model, columns: list[str], encoding: Encoding, dataset: DatasetVersion) -> tuple[Input, ...]:
    """The raw columns that the bundle asks for: those its feature function needs, or those it encodes."""
    encoded = {column.name for column in encoding.columns}
    asked = [name for name in columns if model.features_function is not None or name in encoded]
    return make_inputs(asked, dataset.kinds)


def _classes_in(plan: TargetPlan, targets: pl.Series, declared: Declaration) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The classes that the training rows hold, and a note about those they do not."""
    if plan.task == "regression":
        return (), ()
    places = target_values(plan.task, plan.classes, targets)
    kept = tuple(name for place, name in enumerate(plan.classes) if np.any(places == place))
    if len(kept) < 2:
        raise TrainingError(
            f"{declared.name}: the target {declared.target!r} is always {kept[0]!r} in the {len(targets):,} training "
            "rows: there is nothing to learn",
            remedy="bring rows with different targets, older ones where rows are ordered",
        )
    gone = [name for name in plan.classes if name not in kept]
    said = f"no training row has the target {', '.join(gone)}, so it cannot be predicted"
    return kept, (said,) if gone else ()


def _fill(
    model: Model,
    encoding: Encoding,
    read: Read,
    truth: NDArray[np.float64],
    train: Mask,
    validation: Mask,
    task: TaskName,
    classes: tuple[str, ...],
) -> TrainData:
    width = np.float32 if model.train_function is None else np.float64
    X, X_validation = fill_matrices(encoding, read, ((train, width), (validation, np.float64)))
    kind = np.float64 if task == "regression" else np.int64
    return TrainData(
        X=X,
        y=truth[train].astype(kind),
        X_validation=X_validation,
        y_validation=truth[validation].astype(kind),
        encoding=encoding,
        task=task,
        classes=classes,
        seed=model.declaration.seed,
    )


def reached(declared: Declaration, rows: pl.LazyFrame, train: Mask) -> str | None:
    """How far training reached: the newest moment it saw, or by row number the count of rows up to its last one."""
    if declared.order == "rows":
        return str(int(np.flatnonzero(train).max()) + 1)
    if declared.time is None:
        return None
    return newest(rows.select(declared.time).collect().to_series().filter(pl.Series(train)))


def _row_notes(targets: pl.Series, known: pl.Series, parts: pl.Series, split: SplitPlan) -> tuple[str, ...]:
    counts = {part: int((known & (parts == part)).sum()) for part in ("train", "validation", "test", "none")}
    by = {
        "time": f"by time ({split.column})",
        "rows": "by row number",
        "hash": f"by a hash of {split.column or 'each row'}",
    }
    shown = {part: f"{count:,}" for part, count in counts.items()}
    notes = [
        f"split {by[split.kind]}: {shown['train']} rows train, {shown['validation']} validate, {shown['test']} test"
    ]
    if counts["none"]:
        notes.append(f"{counts['none']:,} rows are left out: no time, or a label that came too late for the next part")
    if targets.null_count():
        notes.append(f"{targets.null_count():,} rows are left out: their target is missing")
    if split.kind == "hash" and split.column is None:
        notes.append("no key is declared: a row keeps its part only while the columns stay as they are")
    return tuple(notes)
