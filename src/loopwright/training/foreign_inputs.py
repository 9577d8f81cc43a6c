"""Which raw columns a model trained elsewhere takes, and how the matrix of one that takes a matrix is filled."""

from __future__ import annotations

import polars as pl

from loopwright.bundle.records import Encoding, FeatureColumn, Input
from loopwright.data.records import ColumnKind
from loopwright.declare import Declaration, Model
from loopwright.errors import BundleError
from loopwright.features.function import visible_columns
from loopwright.features.inputs import make_inputs
from loopwright.features.matrix import Read, make_encoding
from loopwright.training.foreign import Foreign
from loopwright.training.material import open_features


def table_inputs(model: Model, rows: pl.LazyFrame, foreign: Foreign, kinds: dict[str, ColumnKind]) -> tuple[Input, ...]:
    """What a model that takes a table asks for: the source's own columns."""
    declared = model.declaration
    visible = visible_columns(declared, list(rows.collect_schema()))
    names = foreign.names
    if foreign.width is not None:
        names = _by_position(declared, [(name, rows.collect_schema()[name]) for name in visible], foreign.width)
        return tuple(Input(name=name, kind="number") for name in names)
    if names is None:
        return make_inputs([name for name in visible if name not in (declared.key, declared.time)], kinds)
    _check_there(names, visible, "the source")
    return foreign.inputs or make_inputs(list(names), kinds)


def matrix_inputs(
    model: Model, rows: pl.LazyFrame, foreign: Foreign, kinds: dict[str, ColumnKind]
) -> tuple[tuple[Input, ...], Encoding]:
    """What a model that takes a matrix asks for, and how it is filled: from raw columns, or from the features made."""
    read, roles, needed = open_features(model, rows)
    there = {name: read(name).dtype for name in roles}
    names = foreign.names or _by_position(model.declaration, list(there.items()), foreign.width)
    found = "the features" if model.features_function else "the source"
    spelt = {name.replace(" ", "_"): name for name in there}  # LightGBM writes blanks so
    names = tuple(name if name in there else spelt.get(name, name) for name in names)
    _check_there(names, list(there), found)
    columns = [_feature(name, read, foreign) for name in names]
    asked = needed if model.features_function else list(names)
    return make_inputs(asked, kinds), make_encoding(columns)


def _by_position(declared: Declaration, columns: list[tuple[str, pl.DataType]], width: int | None) -> tuple[str, ...]:
    names = tuple(
        name
        for name, dtype in columns
        if (dtype.is_numeric() or dtype == pl.Boolean) and name not in (declared.key, declared.time)
    )
    if width is not None and width != len(names):
        raise BundleError(
            f"the model takes {width} columns and names none; there are {len(names)} numeric ones: {', '.join(names)}",
            remedy="drop the others in the declaration, or save the model with its columns' names",
        )
    return names


def _check_there(names: tuple[str, ...], there: list[str], where: str) -> None:
    missing = [name for name in names if name not in there]
    if missing:
        raise BundleError(
            f"the model takes the column {missing[0]!r}, which {where} of this declaration does not have",
            remedy=f"it has: {', '.join(there)}",
        )


def _feature(name: str, read: Read, foreign: Foreign) -> FeatureColumn:
    dtype = read(name).dtype
    if name in foreign.vocabularies:
        return FeatureColumn(name=name, kind="category", vocabulary=foreign.vocabularies[name])
    if dtype.is_numeric() or dtype == pl.Boolean:
        return FeatureColumn(name=name, kind="boolean" if dtype == pl.Boolean else "number")
    raise BundleError(
        f"the model takes a number for {name!r}, which holds {dtype}",
        remedy="make it a number in the declaration's feature function, or log the whole pipeline with MLflow",
    )
