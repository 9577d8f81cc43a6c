"""The user's feature function in serving: request columns to a frame of the signature's kinds, through the function,
and back to columns. Only bundles that have such a function load this module, and Polars with it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from loopwright.bundle.code import find_models, load_module
from loopwright.bundle.encoding import Columns
from loopwright.bundle.frames import frame_columns
from loopwright.bundle.pipeline import Features
from loopwright.bundle.read import read_encoding
from loopwright.bundle.records import CODE, Input, InputKind, Manifest
from loopwright.bundle.values import booleans, category_texts, misfit, moments, numbers
from loopwright.errors import BundleError, FeatureError

FeatureFunction = Callable[[pl.LazyFrame], Any]


def load_features(folder: Path, manifest: Manifest) -> Features:
    """The bundle's feature function, checked at each call. Raises `BundleError` and `DeclarationError`."""
    function = _declared_function(folder, manifest)
    wanted = tuple(column.name for column in read_encoding(folder).columns)

    def features(columns: Columns) -> Columns:
        rows = request_frame(manifest.signature.inputs, columns)
        return frame_columns(run_features(function, rows, wanted))

    return features


def request_frame(inputs: tuple[Input, ...], columns: Columns) -> pl.DataFrame:
    """Request columns as a frame of the inputs' kinds. Raises `RequestError` that names the column."""
    return pl.DataFrame([_series(one, columns[one.name]) for one in inputs])


def run_features(function: FeatureFunction, rows: pl.DataFrame, wanted: tuple[str, ...]) -> pl.DataFrame:
    """What `function` makes of `rows`: the columns `wanted`, a row for each. Raises `FeatureError` that says which
    column is missing, that rows came or went, or what was raised.
    """
    name = getattr(function, "__name__", "features")
    try:
        made = function(rows.lazy())
        # The rows are in memory already, and for a row alone this engine takes half the time of the streaming one.
        frame = made.collect(engine="in-memory") if isinstance(made, pl.LazyFrame) else made
    except Exception as error:
        raise FeatureError(
            f"the feature function {name} raised {type(error).__name__}: {error}",
            remedy="it must take rows as they are served: any value may be null, and a row may come alone",
        ) from error
    if not isinstance(frame, pl.DataFrame):
        raise FeatureError(f"the feature function {name} returned {type(frame).__name__}", remedy="return a LazyFrame")
    missing = [column for column in wanted if column not in frame.columns]
    if missing:
        raise FeatureError(
            f"the feature function {name} returned no column {missing[0]!r}, which it returned in training",
            remedy="return the same columns whatever the rows are",
        )
    if frame.height != rows.height:
        raise FeatureError(
            f"the feature function {name} returned {frame.height} rows for {rows.height}",
            remedy="keep every row, in its order: filtering belongs to the data contract",
        )
    return frame.select(wanted)


def _declared_function(folder: Path, manifest: Manifest) -> FeatureFunction:
    if manifest.module is None:
        raise BundleError(f"{manifest.model} uses features, but its manifest names no module", remedy="train it again")
    model = find_models(load_module(folder / CODE, manifest.module)).get(manifest.model)
    if model is None or model.features_function is None:
        raise BundleError(
            f"{manifest.module} in the bundle declares no feature function for {manifest.model}",
            remedy="train it again from the file that declares it",
        )
    return model.features_function


def _series(one: Input, values: Any) -> pl.Series:
    expected, convert = _KINDS[one.kind]
    try:
        return convert(one.name, values)
    except (ValueError, TypeError, OverflowError, pl.exceptions.PolarsError):
        raise misfit(one.name, expected, values, lambda some: convert(one.name, some)) from None


def _number(name: str, values: Any) -> pl.Series:
    return pl.Series(name, numbers(values), dtype=pl.Float64, nan_to_null=True)


def _integer(name: str, values: Any) -> pl.Series:
    listed = values.tolist() if isinstance(values, np.ndarray) and values.dtype.kind == "O" else values
    if isinstance(listed, np.ndarray) and listed.dtype.kind not in "iu":
        return _whole(name, listed)
    try:
        return pl.Series(name, listed, dtype=pl.Int64)  # exact, also beyond 2**53
    except (TypeError, pl.exceptions.PolarsError):
        return _whole(name, listed)


def _whole(name: str, values: Any) -> pl.Series:
    whole = numbers(values)
    if not np.array_equal(whole, np.round(whole), equal_nan=True) or np.any(np.abs(whole) >= 2.0**63):
        raise ValueError("no whole number of 64 bits")
    return pl.Series(name, whole, nan_to_null=True).cast(pl.Int64)


def _boolean(name: str, values: Any) -> pl.Series:
    return pl.Series(name, booleans(values), nan_to_null=True).cast(pl.Boolean)


def _text(name: str, values: Any) -> pl.Series:
    return pl.Series(name, category_texts(values), dtype=pl.String)


def _date(name: str, values: Any) -> pl.Series:
    return pl.Series(name, moments(values)).cast(pl.Date)


def _datetime(name: str, values: Any) -> pl.Series:
    return pl.Series(name, moments(values)).cast(pl.Datetime("us"))


_KINDS: dict[InputKind, tuple[str, Callable[[str, Any], pl.Series]]] = {
    "number": ("a number", _number),
    "integer": ("a whole number", _integer),
    "boolean": ("true or false", _boolean),
    "text": ("a text", _text),
    "date": ("a date such as 2026-01-31", _date),
    "datetime": ("a moment such as 2026-01-31T12:00:00", _datetime),
}
