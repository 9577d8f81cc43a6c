"""The contract that a dataset's rows must keep: inferred from a profile once, written for its user, read ever after."""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime

from loopwright.data.odcs import read_contract, write_contract
from loopwright.data.records import ColumnProfile, Profile
from loopwright.data.terms import ColumnRule, DataContract
from loopwright.declare import Declaration

__all__ = ["ColumnRule", "DataContract", "infer_contract", "read_contract", "write_contract"]

CATEGORIES = 50
"""A text column with at most so many values gets a list of them."""

STRANGERS = 0.05
"""The share of rows that may hold a value which such a list does not name, in an inferred contract."""


def infer_contract(name: str, profile: Profile, declaration: Declaration) -> DataContract:
    """A contract that the profiled rows keep, generous enough for the next ones: a draft for its user to edit."""
    return DataContract(
        name=name,
        columns=tuple(_rule(column, declaration) for column in profile.columns),
        min_rows=max(1, profile.rows // 10),
    )


def _rule(column: ColumnProfile, declaration: Declaration) -> ColumnRule:
    if column.name in declaration.drop:  # no row is worth less for what a dropped column holds
        return ColumnRule(name=column.name, kind=column.kind)
    is_key = column.name == declaration.key
    low, high = (None, None) if is_key or column.name == declaration.time else _range(column)
    is_target = column.name == declaration.target
    return ColumnRule(
        name=column.name,
        kind=column.kind,
        required=column.nulls == 0 and not is_target,
        unique=is_key and column.distinct_exact and column.distinct == column.rows - column.nulls,
        key=is_key,
        minimum=low,
        maximum=high,
        values=() if is_key else _values(column),
        strangers=0.0 if is_key or not _values(column) else STRANGERS,
        nulls=1.0 if is_target or column.nulls == 0 else _nulls(column),
    )


def _range(column: ColumnProfile) -> tuple[float | None, float | None]:
    """The range seen, widened on either side by its own width; by the value itself where there is only one."""
    if column.minimum is None or column.maximum is None or column.kind == "boolean":
        return None, None
    width = (column.maximum - column.minimum) or abs(column.maximum) or 1.0
    low, high = column.minimum - width, column.maximum + width
    if column.kind in ("integer", "date") and math.isfinite(width):
        low, high = math.floor(low), math.ceil(high)
    least, most = _EXTREMES.get(column.kind, (-sys.float_info.max, sys.float_info.max))
    upper = None if column.rising or high >= most else float(high)  # what has only grown so far will go on growing
    return (float(low) if low > least else None), upper


_DATES = (datetime.min.replace(tzinfo=UTC).timestamp(), datetime.max.replace(tzinfo=UTC).timestamp())
_EXTREMES = {"integer": (-(2.0**63), 2.0**63), "date": _DATES, "datetime": _DATES}
"""What a column of a kind can hold at all: a bound beyond says nothing."""


def _values(column: ColumnProfile) -> tuple[str, ...]:
    few = column.distinct_exact and 0 < column.distinct <= CATEGORIES and column.distinct == len(column.top)
    return tuple(sorted(value for value, _ in column.top)) if few and column.kind == "text" else ()


def _nulls(column: ColumnProfile) -> float:
    """Room for twice the share of missing values seen and ten in a hundred more."""
    return min(1.0, round(2 * column.nulls / column.rows + 0.1, 2))
