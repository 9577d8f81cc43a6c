"""Which raw columns a model needs: the bundle's inputs."""

from __future__ import annotations

import polars as pl

from loopwright.bundle.records import Input
from loopwright.data.records import ColumnKind
from loopwright.declare import Declaration
from loopwright.errors import FeatureError
from loopwright.features.checks import same_values
from loopwright.features.function import FeatureFunction, call_features, collect_features


def needed_columns(function: FeatureFunction, block: pl.DataFrame, declaration: Declaration) -> list[str]:
    """The columns of `block` (a few raw rows) without which `function` fails or returns other features.

    Where it cannot be told (the function looks at which columns there are), all of them are.
    """
    made = collect_features(function, block.lazy(), declaration)
    used = feature_names(made.columns, declaration)
    needed = [name for name in block.columns if _needs(function, block, name, made.select(used).schema, declaration)]
    try:
        alone = collect_features(function, block.select(needed).lazy(), declaration)
    except FeatureError:
        return block.columns
    whole = set(used) <= set(alone.columns) and same_values(made.select(used), alone.select(used))
    return needed if whole else block.columns


def feature_sources(
    function: FeatureFunction, block: pl.DataFrame, declaration: Declaration
) -> dict[str, tuple[str, ...]]:
    """Which columns of `block` each feature follows from: those whose values, taken away, change it."""
    made = collect_features(function, block.lazy(), declaration)
    sources: dict[str, tuple[str, ...]] = dict.fromkeys(feature_names(made.columns, declaration), ())
    for name, dtype in block.schema.items():
        emptied = block.with_columns(pl.lit(None, dtype=dtype).alias(name))
        try:
            other = collect_features(function, emptied.lazy(), declaration)
        except FeatureError:  # a function that cannot do without the column; its other features tell nothing then
            continue
        for feature in sources:
            if feature not in other.columns or not same_values(made.select(feature), other.select(feature)):
                sources[feature] += (name,)
    return {feature: found or (feature,) for feature, found in sources.items()}


def feature_names(columns: list[str], declaration: Declaration) -> list[str]:
    """The columns a function returned that are features: all but the key and the time under their own names."""
    return [name for name in columns if name not in (declaration.key, declaration.time)]


def make_inputs(columns: list[str], kinds: dict[str, ColumnKind]) -> tuple[Input, ...]:
    """The inputs that `columns` are."""
    return tuple(Input(name=name, kind=kinds[name]) for name in columns)


def _needs(
    function: FeatureFunction, block: pl.DataFrame, name: str, schema: pl.Schema, declaration: Declaration
) -> bool:
    try:
        made = call_features(function, block.drop(name).lazy(), declaration).collect_schema()
    except FeatureError:
        return True
    return any(made.get(feature) != dtype for feature, dtype in schema.items())
