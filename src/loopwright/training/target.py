"""The target: which task it makes, its classes, and its values as numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.bundle.encoding import category_texts
from loopwright.bundle.frames import series_values
from loopwright.declare import Declaration, check_task
from loopwright.errors import DeclarationError, TrainingError
from loopwright.policies.tasks import METRICS, TaskName

FEW_CODES = 20
FEW_TEXTS = 100
POSITIVE_WORDS = ("true", "yes", "y", "t", "positive", "churned", "default", "fraud", "bad", "failed")


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetPlan:
    """What the target is: its task, its classes (binary: negative, positive), and in `note` how that was found."""

    task: TaskName
    classes: tuple[str, ...]
    positive: str | None
    note: str


def plan_target(declaration: Declaration, values: pl.Series) -> TargetPlan:
    """The task that the known target `values` make, or the declared one; its classes and the positive one.

    Text, truth values and two different values make a classification; numbers a regression. Whole numbers with 3 to
    20 different values might be either: the gate's metric decides, else they are classes where they are codes that
    run on from 0 or 1 and each stands in at least one row of a hundred, as counts hardly ever do.
    Raises `TrainingError` where there is nothing to learn, `DeclarationError` where the declaration does not fit.
    """
    values = values.drop_nulls()
    distinct = values.n_unique()
    if distinct < 2:
        found = f"is always {values[0]}" if distinct else "is never known"
        raise TrainingError(
            f"{declaration.name}: the target {declaration.target!r} {found}: there is nothing to learn",
            remedy="bring rows with different targets",
        )
    task, why = _task(declaration, values, distinct)
    check_task(declaration, task)
    if task == "regression":
        return TargetPlan(task=task, classes=(), positive=None, note=f"task: regression, because {why}")
    classes = sorted_classes(values)
    if task == "multiclass":
        shown = ", ".join(classes[:10]) + (", …" if len(classes) > 10 else "")
        note = f"task: multiclass, because {why}; classes: {shown}"
        return TargetPlan(task=task, classes=classes, positive=None, note=note)
    positive, how = _positive(declaration, classes)
    negative = next(name for name in classes if name != positive)
    note = f"task: binary, because {why}; the positive class is {positive!r} ({how})"
    return TargetPlan(task=task, classes=(negative, positive), positive=positive, note=note)


def target_values(task: TaskName, classes: tuple[str, ...], values: pl.Series) -> NDArray[np.float64]:
    """Targets as numbers: themselves, or places in `classes`. NaN where missing, and where the class is not known."""
    if task == "regression":
        return values.cast(pl.Float64).to_numpy()
    places = {name: place for place, name in enumerate(classes)}
    different = values.unique()
    numbers = [places.get(text, np.nan) if text is not None else np.nan for text in _texts(different)]
    return values.replace_strict(different, pl.Series(numbers, dtype=pl.Float64), return_dtype=pl.Float64).to_numpy()


def sorted_classes(values: pl.Series) -> tuple[str, ...]:
    """The different values as class names: numbers in their order, texts in theirs."""
    return tuple(text for text in _texts(values.drop_nulls().unique().sort()) if text is not None)


def _texts(values: pl.Series) -> list[str | None]:
    return category_texts(series_values(values))


def _task(declaration: Declaration, values: pl.Series, distinct: int) -> tuple[TaskName, str]:
    numeric = values.dtype.is_numeric()
    if not numeric and values.dtype not in (pl.String, pl.Boolean):
        raise DeclarationError(
            f"{declaration.name}: the target {declaration.target!r} holds {values.dtype}, which cannot be predicted",
            remedy="name a column of numbers, text or truth values",
        )
    if declaration.task is not None:
        return _declared(declaration, declaration.task, numeric, distinct), "it is declared"
    if distinct == 2:
        return "binary", f"{declaration.target!r} has two different values"
    if not numeric:
        return _text_task(declaration, values, distinct)
    if values.dtype.is_float() or distinct > FEW_CODES:
        return "regression", f"{declaration.target!r} is a number with {distinct:,} different values"
    return _code_task(declaration, values, distinct)


def _declared(declaration: Declaration, task: TaskName, numeric: bool, distinct: int) -> TaskName:
    if task == "regression" and not numeric:
        raise DeclarationError(
            f"{declaration.name}: the task is regression, but the target {declaration.target!r} is no number",
            remedy="leave task= out, or name a column of numbers",
        )
    if task == "binary" and distinct != 2:
        raise DeclarationError(
            f"{declaration.name}: the task is binary, but {declaration.target!r} has {distinct} different values",
            remedy='leave task= out, or write task="multiclass"',
        )
    return task


def _text_task(declaration: Declaration, values: pl.Series, distinct: int) -> tuple[TaskName, str]:
    if distinct > FEW_TEXTS or distinct > len(values) / 2:
        raise TrainingError(
            f"{declaration.name}: the target {declaration.target!r} is text with {distinct:,} different values in "
            f"{len(values):,} rows: too many for classes",
            remedy="name another target, or group its values first",
        )
    return "multiclass", f"{declaration.target!r} is text with {distinct} different values"


def _code_task(declaration: Declaration, values: pl.Series, distinct: int) -> tuple[TaskName, str]:
    what = f"{declaration.target!r} holds {distinct} different whole numbers"
    metric = declaration.gate.metric
    if metric is not None:
        tasks = METRICS[metric][0]
        task: TaskName = "multiclass" if "multiclass" in tasks else "regression"
        return task, f"{what} and the gate is on {metric}"
    first = int(values.min())  # type: ignore[arg-type]  # a numeric series' minimum is a number
    run = first in (0, 1) and int(values.max()) == first + distinct - 1  # type: ignore[arg-type]
    rarest = int(values.unique_counts().min())  # type: ignore[arg-type]
    if run and rarest >= len(values) / 100:
        return "multiclass", f"{what} that run on from {first}, none of them rare (else write task='regression')"
    return "regression", f"{what} that look like counts or measures (else write task='multiclass')"


def _positive(declaration: Declaration, classes: tuple[str, ...]) -> tuple[str, str]:
    if declaration.positive is not None:
        alike = [name for name in classes if name.lower() == declaration.positive.lower()]
        wanted = declaration.positive if declaration.positive in classes else next(iter(alike), None)
        if wanted is None:
            raise DeclarationError(
                f"{declaration.name}: positive is {declaration.positive!r}, but {declaration.target!r} holds "
                f"{' and '.join(map(repr, classes))}",
                remedy=f"write positive={classes[-1]!r}",
            )
        return wanted, "declared"
    word = next((name for name in classes if name.lower() in POSITIVE_WORDS), None)
    if word is not None and not all(name.lower() in POSITIVE_WORDS for name in classes):
        return word, "by its name; positive= says otherwise"
    return classes[-1], "the last in order; positive= says otherwise"
