"""Features of a row must follow from that row alone: what is found out by taking rows out of their batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from loopwright.declare import Declaration
from loopwright.errors import FeatureError
from loopwright.features.function import FeatureFunction, changed_schema, collect_features

BLOCK = 64
ALONE = 6


def check_rows_alone(
    function: FeatureFunction, rows: pl.LazyFrame, features: pl.DataFrame, declaration: Declaration
) -> None:
    """Hold `features` (what `function` made of all `rows`) against what it makes of blocks of rows and of rows alone.

    Looks at three blocks of `BLOCK` rows (the first, the middle, the last) and `ALONE` rows of each. Raises
    `FeatureError` that names the feature and says whether later rows, earlier rows or the rows' order are at fault.
    """
    for start in dict.fromkeys((0, max(0, features.height // 2 - BLOCK // 2), max(0, features.height - BLOCK))):
        block = rows.slice(start, BLOCK).collect()
        expected = features.slice(start, BLOCK)
        _compare(function, block, expected, block, declaration)
        # Turned round, for rows that happen to stand in the order a function sorts them into.
        _compare(function, block.reverse(), expected.reverse(), block, declaration)
        for place in np.linspace(0, block.height - 1, min(ALONE, block.height)).astype(int).tolist():
            _compare(function, block.slice(place, 1), expected.slice(place, 1), block, declaration)


def same_values(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Whether two frames hold the same values; numbers may differ by rounding: as much as 32 bits do, where a column
    has 32, else by one part in a thousand million.
    """
    return not any(_differing(one, other))


def _compare(
    function: FeatureFunction,
    rows: pl.DataFrame,
    expected: pl.DataFrame,
    block: pl.DataFrame,
    declaration: Declaration,
) -> None:
    alone = collect_features(function, rows.lazy(), declaration)
    change = changed_schema(expected.schema, alone.schema)
    if change:
        raise FeatureError(
            f"the feature function returns other columns for {_few(rows.height)} than for all rows: {change}",
            remedy="cast each column to its type, so that it does not follow from the values",
        )
    different = next(_differing(expected, alone), None)
    if different is not None:
        raise _cross_row(function, different, block, declaration)


def _differing(one: pl.DataFrame, other: pl.DataFrame) -> Iterator[str]:
    for name in one.columns:
        left, right = one[name], other[name]
        if left.dtype.is_float():
            close = 1e-9 if left.dtype == pl.Float64 else 1e-5
            if not np.allclose(left.to_numpy(), right.to_numpy(), rtol=close, atol=close / 1000, equal_nan=True):
                yield name
        elif not left.eq_missing(right).all():
            yield name


def _cross_row(function: FeatureFunction, name: str, block: pl.DataFrame, declaration: Declaration) -> FeatureError:
    """Why the feature `name` differs: try whether the function reorders rows, then whether it reads later ones."""
    if _reorders(function, block, declaration):
        return FeatureError(
            "the feature function returns rows in another order than it was given them",
            remedy="keep the order: leave out sorting, grouping and joins that do not keep it",
        )
    found = "is another for a row alone than for the row among others"
    if _reads_later(function, name, block, declaration):
        found = "changes when later rows are removed"
    return FeatureError(
        f"the feature {name!r} {found}: it does not follow from the row itself",
        remedy="make each feature from its own row; lags, rolling windows and group figures need a feature view, "
        "which comes with a later release; random features must go",
    )


def _reorders(function: FeatureFunction, block: pl.DataFrame, declaration: Declaration) -> bool:
    """Whether the same rows come back in another order, from the block or from the block turned round."""
    for given in (block, block.reverse()):
        places = range(given.height)
        singles = [collect_features(function, given.slice(place, 1).lazy(), declaration) for place in places]
        alone = pl.concat(singles, how="vertical_relaxed").with_columns(pl.all().cast(pl.String))
        together = collect_features(function, given.lazy(), declaration).with_columns(pl.all().cast(pl.String))
        if not together.equals(alone) and together.sort(alone.columns).equals(alone.sort(alone.columns)):
            return True
    return False


def _reads_later(function: FeatureFunction, name: str, block: pl.DataFrame, declaration: Declaration) -> bool:
    half = max(1, block.height // 2)
    shorter = collect_features(function, block.head(half).lazy(), declaration)
    whole = collect_features(function, block.lazy(), declaration)
    return not same_values(whole.head(half).select(name), shorter.select(name))


def _few(rows: int) -> str:
    return "a row alone" if rows == 1 else f"{rows} rows"
