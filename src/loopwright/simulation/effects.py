"""What happens to rows: a world that drifts, and batches that are spoilt on their way."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.declare import Declaration
from loopwright.errors import DeclarationError
from loopwright.policies.tasks import TaskName
from loopwright.simulation.records import BadBatch, Drift, Scenario

STEP = 20
"""A gradual drift moves in so many steps at most."""


def strength(drift: Drift, day: float) -> float:
    """How much of the drift is in force on that day, 0 to 1."""
    since = day - drift.at
    if since >= 0 and drift.every is not None:
        since %= drift.every
    if since < 0 or (drift.lasts is not None and since >= drift.lasts):
        return 0.0
    if not drift.over or since >= drift.over:
        return 1.0
    return math.ceil(STEP * max(since, 1e-9) / drift.over) / STEP


def check_columns(scenario: Scenario, declaration: Declaration, rows: pl.DataFrame) -> None:
    """Raise `DeclarationError` where the scenario names a column that is not there, or has no numbers to change."""
    numbers = [name for name, kind in rows.schema.items() if kind.is_numeric() or kind == pl.Boolean]
    changed = [drift.column for drift in scenario.drift]
    changed += [batch.column for batch in scenario.bad_batch if batch.kind == "units"]
    spoilt = [name for batch in scenario.bad_batch for name in (batch.column, batch.other)]
    for named, known in ((changed, numbers), (spoilt, rows.columns)):
        for column in set(named) - {"", *known}:
            what = "a column of no numbers" if column in rows.columns else "no column"
            raise DeclarationError(
                f"scenario {scenario.name or 'of yours'} names {column!r}, which is {what} of {declaration.name}",
                remedy=f"name one of: {', '.join(known)}",
            )


@dataclass(frozen=True)
class Scale:
    """A column in standard deviations from its mean; numbers alone have them, what is missing stands at the mean."""

    column: str
    mean: float
    deviation: float

    @classmethod
    def of(cls, column: str, rows: pl.DataFrame) -> Scale:
        values = _numbers(rows[column])
        return cls(column, float(np.nanmean(values)), float(np.nanstd(values)) or 1.0)

    def __call__(self, rows: pl.DataFrame) -> NDArray[np.float64]:
        return np.nan_to_num((_numbers(rows[self.column]) - self.mean) / self.deviation)


@dataclass(frozen=True)
class Covariate:
    """Rows with much of a column come more often: an exponential tilt, which moves a normal column by `by` deviations
    and leaves what follows from a row as it is.
    """

    scale: Scale
    by: float

    @classmethod
    def of(cls, drift: Drift, declaration: Declaration, task: TaskName, rows: pl.DataFrame) -> Covariate:
        return cls(Scale.of(drift.column or telling(declaration, rows), rows), drift.by)

    def tilt(self, rows: pl.DataFrame) -> NDArray[np.float64]:
        """The logarithm of how much more often each row comes."""
        return self.by * self.scale(rows)


@dataclass(frozen=True)
class Concept:
    """The same rows come to something else: see `records.Drift`."""

    target: str
    scale: Scale
    by: float
    deviation: float
    classes: tuple[Any, ...]

    @classmethod
    def of(cls, drift: Drift, declaration: Declaration, task: TaskName, rows: pl.DataFrame) -> Concept:
        column, target = drift.column or telling(declaration, rows), rows[declaration.target]
        scale = Scale.of(column, rows)
        if task != "regression":
            return cls(declaration.target, scale, drift.by, 0.0, tuple(target.unique().sort().to_list()))
        values = _numbers(target)
        sign = -1.0 if np.corrcoef(scale(rows), values)[0, 1] >= 0 else 1.0
        return cls(declaration.target, scale, drift.by * sign, float(np.std(values)), ())

    def apply(self, rows: pl.DataFrame, strong: float, random: np.random.Generator) -> pl.DataFrame:
        target = rows[self.target]
        if not self.classes:
            moved = _numbers(target) + strong * self.by * self.deviation * self.scale(rows)
            return rows.with_columns(_like(moved, target))
        chosen = (self.scale(rows) > 0) & (random.random(rows.height) < strong * self.by)
        return rows.with_columns(_next_class(target, self.classes, chosen))


def mislabelled(
    rows: pl.DataFrame, target: str, task: TaskName, noise: float, random: np.random.Generator
) -> pl.DataFrame:
    """The rows as they are labelled: see `records.Labels`."""
    if not noise or not rows.height:
        return rows
    values = rows[target]
    if task == "regression":
        known = _numbers(values)
        return rows.with_columns(_like(known + random.normal(0, noise * (np.std(known) or 1.0), len(known)), values))
    classes = tuple(values.unique().sort().to_list())
    return rows.with_columns(_next_class(values, classes, random.random(rows.height) < noise))


def shuffled(rows: pl.DataFrame, target: str, seed: int) -> pl.DataFrame:
    """The rows with another's target each: nothing can be learned from them."""
    return rows.with_columns(rows[target].shuffle(seed=seed))


def spoil(
    rows: pl.DataFrame,
    declaration: Declaration,
    batches: Sequence[BadBatch],
    day: int,
    where: Literal["requests", "source"],
    seed: tuple[int, ...],
) -> pl.DataFrame:
    """The rows of a day on their way: spoilt where a batch is bad there."""
    random = np.random.default_rng(seed)  # the same for requests and source: the same rows are bad
    for batch in batches:
        chosen = random.random(rows.height) < batch.share
        if batch.at <= day < batch.at + batch.lasts and batch.where in (where, "both"):
            rows = _spoilt(rows, batch, declaration, pl.Series(chosen))
    return rows


def telling(declaration: Declaration, rows: pl.DataFrame) -> str:
    """The numeric input that goes most with the target. Raises `DeclarationError` where there is none."""
    target = rows[declaration.target]
    known = _numbers(target) if target.dtype.is_numeric() or target.dtype == pl.Boolean else _codes(target)
    found = {name: abs(np.corrcoef(Scale.of(name, rows)(rows), known)[0, 1]) for name in _inputs(declaration, rows)}
    if not found:
        raise DeclarationError(
            f"{declaration.name} has no numeric input that could drift", remedy="name a column in the scenario"
        )
    return max(found, key=lambda name: found[name])


def _inputs(declaration: Declaration, rows: pl.DataFrame) -> list[str]:
    others = {declaration.target, declaration.time, declaration.key, *declaration.drop}
    numeric = [name for name in rows.columns if name not in others and rows.schema[name].is_numeric()]
    return [name for name in numeric if rows[name].n_unique() > 1]


def _spoilt(rows: pl.DataFrame, batch: BadBatch, declaration: Declaration, chosen: pl.Series) -> pl.DataFrame:
    column = batch.column or telling(declaration, rows)
    if batch.kind == "nulls":
        return rows.with_columns(pl.when(~chosen).then(pl.col(column)).alias(column))
    if batch.kind == "units":
        scaled = (pl.col(column) * batch.factor).cast(rows.schema[column], strict=False)
        return rows.with_columns(pl.when(chosen).then(scaled).otherwise(pl.col(column)).alias(column))
    other = batch.other or next((name for name in _inputs(declaration, rows) if name != column), column)
    pairs = ((column, other), (other, column))
    return rows.with_columns(
        pl.when(chosen).then(pl.col(b).cast(rows.schema[a], strict=False)).otherwise(pl.col(a)).alias(a)
        for a, b in pairs
    )


def _next_class(target: pl.Series, classes: tuple[Any, ...], chosen: NDArray[np.bool_]) -> pl.Series:
    following = target.replace_strict(list(classes), [*classes[1:], classes[0]], return_dtype=target.dtype)
    return target.zip_with(pl.Series(~chosen), following)


def _numbers(values: pl.Series) -> NDArray[np.float64]:
    return values.cast(pl.Float64, strict=False).to_numpy()


def _codes(values: pl.Series) -> NDArray[np.float64]:
    return values.rank("dense").cast(pl.Float64).to_numpy()


def _like(numbers: NDArray[np.float64], was: pl.Series) -> pl.Series:
    """As the column was: whole numbers stay whole, and none falls below 0 where none was."""
    if _numbers(was).min(initial=0.0) >= 0:
        numbers = np.maximum(numbers, 0.0)
    made = pl.Series(was.name, numbers)
    return made.round().cast(was.dtype) if was.dtype.is_integer() else made.cast(was.dtype)
