"""The user's feature function, called with care: whatever it does wrong is said in its own terms."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from loopwright.declare import Declaration
from loopwright.errors import FeatureError

FeatureFunction = Callable[[pl.LazyFrame], Any]


def visible_columns(declaration: Declaration, columns: list[str]) -> list[str]:
    """The columns a feature function sees: all but the target and what is dropped, in training as in serving."""
    return [name for name in columns if name != declaration.target and name not in declaration.drop]


def call_features(function: FeatureFunction, rows: pl.LazyFrame, declaration: Declaration) -> pl.LazyFrame:
    """What `function` makes of `rows`, lazily, its columns known. Raises `FeatureError`."""
    try:
        made = function(rows)
        made = made.lazy() if isinstance(made, pl.DataFrame) else made
        columns = made.collect_schema().names() if isinstance(made, pl.LazyFrame) else []
    except Exception as error:
        raise raised(function, error, declaration) from error
    if not isinstance(made, pl.LazyFrame):
        raise FeatureError(
            f"the feature function {_name(function)} returned {_kind(made)}", remedy="return the LazyFrame it made"
        )
    if declaration.target in columns:
        raise FeatureError(
            f"the target {declaration.target!r} is among the features that {_name(function)} returned",
            remedy="return another column under another name: the target is not known when predicting",
        )
    return made


def collect_features(function: FeatureFunction, rows: pl.LazyFrame, declaration: Declaration) -> pl.DataFrame:
    """What `function` makes of `rows`, a row for each. Raises `FeatureError`."""
    made = call_features(function, rows, declaration)
    try:
        frame = made.collect()
    except Exception as error:
        raise raised(function, error, declaration) from error
    expected = rows.select(pl.len()).collect().item()
    if frame.height != expected:
        what = "drops" if frame.height < expected else "adds"
        raise FeatureError(
            f"the feature function {_name(function)} {what} rows: it returned {frame.height:,} for {expected:,}",
            remedy="keep every row, in its order: which rows may be used is for the data contract to say",
        )
    return frame


def raised(function: FeatureFunction, error: Exception, declaration: Declaration) -> FeatureError:
    """The error that says what `function` raised, and where."""
    text = str(error).partition("\n")[0]
    hidden = _hidden_column(error, declaration)
    if hidden == declaration.target:
        return FeatureError(
            f"the feature function {_name(function)} reads the target {hidden!r}{_place(function, error)}",
            remedy="leave it out: the target is not known when predicting",
        )
    if hidden:
        return FeatureError(
            f"the feature function {_name(function)} reads {hidden!r}, which is dropped{_place(function, error)}",
            remedy=f"leave it out, or take {hidden!r} out of drop",
        )
    return FeatureError(
        f"the feature function {_name(function)} raised {type(error).__name__}{_place(function, error)}: {text}",
        remedy="mend the function; any value may be null in the rows it is given",
    )


def changed_schema(before: Mapping[str, pl.DataType], after: Mapping[str, pl.DataType]) -> str | None:
    """The first difference between what a function returned twice, in words; None where there is none."""
    for name, dtype in before.items():
        if name not in after:
            return f"the column {name!r} is gone"
        if after[name] != dtype:
            return f"the column {name!r} is {after[name]} instead of {dtype}"
    return None


def _name(function: FeatureFunction) -> str:
    return getattr(function, "__name__", "features")


def _kind(made: Any) -> str:
    return "nothing" if made is None else f"a {type(made).__name__}"


def _hidden_column(error: Exception, declaration: Declaration) -> str | None:
    if not isinstance(error, pl.exceptions.ColumnNotFoundError):
        return None
    found = re.search(r'"([^"]*)"', str(error))
    name = found[1] if found else str(error).partition("\n")[0]
    return name if name in (declaration.target, *declaration.drop) else None


def _place(function: FeatureFunction, error: Exception) -> str:
    """Where in the user's file: the innermost line of the file that holds the function. Lazy errors have none."""
    code = getattr(function, "__code__", None)
    frames = [one for one in traceback.extract_tb(error.__traceback__) if code and one.filename == code.co_filename]
    if not frames:
        return ""
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno}: {frames[-1].line})"
