"""Which rows train, validate and test: by time or row number where rows are ordered, else by a hash of their key."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.core.clock import parse_duration
from loopwright.declare import Declaration
from loopwright.errors import DataError, DeclarationError
from loopwright.policies.training import Split
from loopwright.training.hashing import hash_rows
from loopwright.training.records import SplitPlan

Part = Literal["train", "validation", "test", "none"]
PARTS: tuple[Part, ...] = ("train", "validation", "test", "none")
Rows = pl.DataFrame | pl.LazyFrame


def plan_split(declaration: Declaration, rows: Rows) -> SplitPlan:
    """The rule by which the rows of this model are split; see `split_rows`."""
    return split_rows(declaration, rows)[0]


def split_rows(declaration: Declaration, rows: Rows) -> tuple[SplitPlan, pl.Series]:
    """The rule by which the rows of this model are split, made from those whose target is known, and each row's part.

    Ordered rows: the newest `split.test` share tests, the share before it validates. Others: by a hash of the key, or
    of all columns but the target, so that equal rows stay together, and a row stays where it is as data grows.
    Raises `DataError` where a part would be empty, and `DeclarationError` where the time column holds no time.
    """
    rows = rows.lazy()
    known = rows.select(pl.col(declaration.target).is_not_null()).collect().to_series().to_numpy()
    if declaration.time:
        plan = _plan_by_time(declaration, declaration.time, rows, known)
    elif declaration.order == "rows":
        plan = _plan_by_rows(declaration, known)
    else:
        plan = _plan_by_hash(declaration, rows)
    parts = assign(plan, rows)
    _check_parts(declaration, plan, parts.filter(pl.Series(known)))
    return plan, parts


def assign(plan: SplitPlan, rows: Rows) -> pl.Series:
    """The part of each row: `train`, `validation`, `test`, or `none` (left out: no time, or its label came too late).

    By row number, `rows` must be the whole version in its order. By time and by hash, any rows that hold the column
    (the columns) of the plan will do: a row's part follows from itself.
    """
    rows = rows.lazy()
    if plan.kind == "time":
        assert plan.column is not None
        codes = _codes_by_time(plan, rows.select(plan.column).collect().to_series())
    elif plan.kind == "rows":
        codes = _codes_by_rows(plan, rows.select(pl.len()).collect().item())
    else:
        codes = _codes_by_hash(plan, rows)
    return pl.Series("part", codes).replace_strict([0, 1, 2, 3], list(PARTS), return_dtype=pl.Enum(PARTS))


def test_after(plan: SplitPlan, rows: Rows, until: str) -> SplitPlan:
    """The plan with no test row up to `until`: a moment of the time column, or where rows go by number, how many.

    Raises `DeclarationError` where rows are in no order or `until` is none of these, `DataError` where no row is left.
    """
    if plan.kind == "hash":
        raise DeclarationError(
            f"rows are known up to {until}, but the model declares no order", remedy="declare time=, or leave it out"
        )
    rows = rows.lazy()
    try:
        later = _number_after(plan, rows, int(until)) if plan.kind == "rows" else _moment_after(plan, rows, until)
    except (ValueError, TypeError):
        meant = f"write it like {plan.test_from}" if plan.kind == "time" else "write how many rows it has seen"
        raise DeclarationError(f"rows are said to be known up to {until!r}", remedy=meant) from None
    if later is None:
        raise DataError(f"no row is newer than {until}", remedy="bring newer labelled rows to test the model on")
    return later


def newest(values: pl.Series) -> str | None:
    """The greatest time of a time column in ISO 8601 (or a number's text); None where there is none."""
    last = values.drop_nulls().max()
    return None if last is None else _written(last)


def _plan_by_time(declaration: Declaration, column: str, rows: pl.LazyFrame, known: NDArray[np.bool_]) -> SplitPlan:
    values = rows.select(column).collect().to_series()
    moments = _moments(values)
    usable = np.flatnonzero(known & ~np.isnan(moments))
    order = usable[np.argsort(moments[usable], kind="stable")]
    shares = declaration.split
    test = _boundary(moments[order], 1 - shares.test)
    validation = _boundary(moments[order[:test]], (1 - shares.test - shares.validation) / (1 - shares.test))
    if not 0 < validation < test < len(order):
        raise _too_few(declaration, len(order), f"{len(np.unique(moments[order]))} different values of {column!r}")
    return SplitPlan(
        kind="time",
        column=column,
        validation_from=_written(values[int(order[validation])]),
        test_from=_written(values[int(order[test])]),
        label_delay=declaration.label_delay,
    )


def _boundary(ordered: NDArray[np.float64], share: float) -> int:
    """The place nearest to `share` of the way at which a new moment begins."""
    wanted = round(len(ordered) * share)
    if not 0 < wanted < len(ordered):
        return 0
    left = int(np.searchsorted(ordered, ordered[wanted], side="left"))
    right = int(np.searchsorted(ordered, ordered[wanted], side="right"))
    return left if left > 0 and (wanted - left <= right - wanted or right == len(ordered)) else right


def _plan_by_rows(declaration: Declaration, known: NDArray[np.bool_]) -> SplitPlan:
    places = np.flatnonzero(known)
    test = round(len(places) * (1 - declaration.split.test))
    validation = round(len(places) * (1 - declaration.split.test - declaration.split.validation))
    if not 0 < validation < test < len(places):
        raise _too_few(declaration, len(places), "so few rows")
    return SplitPlan(
        kind="rows",
        rows={"validation_from": int(places[validation]), "test_from": int(places[test])},
        label_delay=declaration.label_delay,
    )


def _plan_by_hash(declaration: Declaration, rows: pl.LazyFrame) -> SplitPlan:
    every = tuple(name for name in rows.collect_schema() if name != declaration.target)
    return SplitPlan(
        kind="hash",
        column=declaration.key,
        validation_share=declaration.split.validation,
        test_share=declaration.split.test,
        columns=() if declaration.key else every,
    )


def _moment_after(plan: SplitPlan, rows: pl.LazyFrame, until: str) -> SplitPlan | None:
    values = rows.select(plan.column).collect().to_series()
    moments = _moments(values)
    later = np.where((moments > _moment(until)) & (moments >= _moment(plan.test_from)), moments, np.inf)
    first = int(np.argmin(later))
    return None if np.isinf(later[first]) else replace(plan, test_from=_written(values[first]))


def _number_after(plan: SplitPlan, rows: pl.LazyFrame, until: int) -> SplitPlan | None:
    if until >= rows.select(pl.len()).collect().item():
        return None
    return replace(plan, rows={**plan.rows, "test_from": max(plan.rows["test_from"], until)})


def _codes_by_time(plan: SplitPlan, values: pl.Series) -> NDArray[np.uint8]:
    moments = _moments(values)
    validation, test = _moment(plan.validation_from), _moment(plan.test_from)
    delay = parse_duration(plan.label_delay) / timedelta(microseconds=1)
    train = (moments < validation) & (moments + delay <= validation)
    validate = (moments >= validation) & (moments < test) & (moments + delay <= test)
    return np.select([train, validate, moments >= test], [0, 1, 2], default=3).astype(np.uint8)


def _codes_by_rows(plan: SplitPlan, rows: int) -> NDArray[np.uint8]:
    place = np.arange(rows)
    after = (place >= plan.rows["validation_from"]).astype(np.uint8)
    return after + (place >= plan.rows["test_from"])


def _codes_by_hash(plan: SplitPlan, rows: pl.LazyFrame) -> NDArray[np.uint8]:
    hashes = hash_rows(rows, (plan.column,) if plan.column else plan.columns)
    place = (hashes >> np.uint64(11)).astype(np.float64) / 2.0**53
    test = place < plan.test_share
    return np.select([test, place < plan.test_share + plan.validation_share], [2, 1], default=0).astype(np.uint8)


def _moments(values: pl.Series) -> NDArray[np.float64]:
    """Times as microseconds since 1970 (numbers as they are), NaN where missing."""
    if values.dtype.is_temporal():
        values = values.dt.epoch("us")
    if not values.dtype.is_numeric():
        raise DeclarationError(
            f"time names the column {values.name!r}, which holds {values.dtype}, not dates",
            remedy="write its dates in ISO 8601 (2026-01-31), or name another column",
        )
    return values.cast(pl.Float64).to_numpy()


def _moment(written: str) -> float:
    try:
        return float(written)
    except ValueError:
        when = datetime.fromisoformat(written)
        return (when - datetime(1970, 1, 1)) / timedelta(microseconds=1)  # noqa: DTZ001 - moments carry no zone


def _written(value: object) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def _check_parts(declaration: Declaration, plan: SplitPlan, parts: pl.Series) -> None:
    counts = {part: int((parts == part).sum()) for part in PARTS}
    for part in PARTS[:3]:
        if counts[part] == 0:
            late = f", and {counts['none']} are left out by label_delay={plan.label_delay!r}" if counts["none"] else ""
            alike = f"rows of one {plan.column!r}" if plan.column else "rows that are alike in every column"
            together = f", for {alike} stay together" if plan.kind == "hash" else ""
            raise _too_few(declaration, len(parts), f"none of them falls to {part}{late}{together}")


def _too_few(declaration: Declaration, rows: int, why: str) -> DataError:
    shares: Split = declaration.split
    return DataError(
        f"{declaration.name} has {rows} rows with a known target; {why}: they cannot be parted into training, "
        f"validation ({shares.validation:.0%}) and test ({shares.test:.0%})",
        remedy="bring more rows, change split=Split(validation=…, test=…)"
        + ("" if declaration.ordered else ", or declare a key= that tells rows apart"),
    )
