"""Kinds of columns: which Polars type each is held in, how others become it, and what two parts agree on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import polars as pl

from loopwright.data.records import ColumnKind
from loopwright.errors import SourceError

Kinds = dict[str, ColumnKind | None]
"""Kinds by column name, in column order; None where a column holds no value at all and so agrees with every kind."""

DTYPES: dict[ColumnKind, pl.DataType] = {
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
    "text": pl.String(),
    "date": pl.Date(),
    "datetime": pl.Datetime("us"),
}

DATE_FORMATS = ("%Y-%m-%d",)
MOMENT_FORMATS = (
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y%m%dT%H%M%S",
)
"""ISO 8601, extended and basic. Moments with an offset are turned into UTC; those without one are kept as written."""


MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None", "?", "inf", "-inf", "Infinity")
"""Words that mark a missing value in a column of numbers or dates; in a column of text they are words like others."""


def check_names(names: Sequence[str], origin: str) -> None:
    """Raise `SourceError` where columns share a name, or are named by nothing or by a pattern."""
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise SourceError(
            f"{origin} has more than one column named {', '.join(map(repr, twice))}",
            remedy="give every column a name of its own",
        )
    odd = [name for name in names if name in ("", "*") or (name.startswith("^") and name.endswith("$"))]
    if odd or not names:
        raise SourceError(
            f"{origin} has a column named {odd[0]!r}" if odd else f"{origin} has no columns",
            remedy="give every column a plain name",
        )


def kind_of(dtype: pl.DataType) -> ColumnKind | None:
    """The kind in which a column of `dtype` is held; None for a column of nulls. Raises `TypeError` where none fits."""
    if dtype == pl.Null:
        return None
    if dtype.is_integer():
        return "integer"
    if dtype.is_numeric() or dtype == pl.Duration:
        return "number"
    if dtype == pl.Boolean:
        return "boolean"
    if dtype in (pl.String, pl.Categorical, pl.Enum, pl.Time):
        return "text"
    if dtype == pl.Date:
        return "date"
    if dtype == pl.Datetime:
        return "datetime"
    raise TypeError(str(dtype))


def normal(name: str, dtype: pl.DataType) -> pl.Expr:
    """The column in the type of its own kind: 64 bits, UTC, microseconds; NaN and infinities are missing values."""
    column = pl.col(name)
    if dtype.is_float():
        return finite(column.cast(pl.Float64))
    if dtype == pl.Duration:
        return column.dt.total_microseconds() / 1e6
    if dtype == pl.Datetime:
        return without_zone(column, dtype)
    kind = kind_of(dtype)
    return column if kind is None else column.cast(DTYPES[kind])


def as_kind(name: str, dtype: pl.DataType, kind: ColumnKind) -> pl.Expr:
    """The column as `kind`, from any type a part is stored in; text that does not spell the kind becomes null."""
    if dtype == pl.String and kind != "text":
        return parsed(pl.col(name).str.strip_chars(), kind)
    if dtype == DTYPES[kind]:
        return pl.col(name)
    return pl.col(name).cast(DTYPES[kind])


def parsed(text: pl.Expr, kind: ColumnKind) -> pl.Expr:
    """Text, with no blanks around it, as `kind`; null where it does not spell one."""
    if kind == "integer":
        return text.cast(pl.Int64, strict=False)
    if kind == "number":
        return finite(text.cast(pl.Float64, strict=False))
    if kind == "boolean":
        return text.str.to_lowercase().replace_strict({"true": True, "false": False}, default=None)
    if kind == "date":
        return text.str.to_date(DATE_FORMATS[0], strict=False)
    if kind == "datetime":
        formats = (*MOMENT_FORMATS, *DATE_FORMATS)
        return pl.coalesce(moment(text, written) for written in formats)
    return text


def moment(text: pl.Expr, written: str) -> pl.Expr:
    """Text in the format `written` as UTC microseconds; null where it is not so written."""
    if "z" in written:
        moments = text.str.to_datetime(written, time_unit="us", time_zone="UTC", strict=False)
        return moments.dt.replace_time_zone(None)
    if written in DATE_FORMATS:
        return text.str.to_date(written, strict=False).cast(pl.Datetime("us"))
    return text.str.to_datetime(written, time_unit="us", strict=False)


def finite(column: pl.Expr) -> pl.Expr:
    return pl.when(column.is_finite()).then(column)


def without_zone(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if getattr(dtype, "time_zone", None):
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return column.cast(pl.Datetime("us"))


def widen(one: ColumnKind | None, other: ColumnKind | None) -> ColumnKind | None:
    """The kind that holds the values of both. Raises `ValueError` where only a misreading would."""
    found = {one, other}
    if one is None or other is None or one == other:
        return one or other
    if found == {"integer", "number"}:
        return "number"
    if found == {"date", "datetime"}:
        return "datetime"
    if "text" in found:
        return "text"
    raise ValueError(f"{one} and {other}")
