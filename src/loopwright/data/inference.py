"""Kinds found in text: the narrowest way in which every value of a column can be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import polars as pl

from loopwright.data import kinds as k
from loopwright.data.records import ColumnKind

HEAD = 1000
"""Values of a column that are looked at before all others, so that most ways need not be tried on every row."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a column of text: the kind it gives, how it is written, and whether blanks surround values.

    `written` is the format of dates; for numbers, the decimal sign where that is no point.
    """

    kind: ColumnKind
    written: str = ""
    padded: bool = False


DATES = (
    *(Reading("date", written) for written in k.DATE_FORMATS),
    *(Reading("datetime", written) for written in k.MOMENT_FORMATS),
)
_PLAIN = (Reading("boolean"), Reading("integer"), Reading("number"), *DATES)
WAYS = (*_PLAIN, *(replace(way, padded=True) for way in _PLAIN))
"""Every way, the narrowest first."""

DECIMAL_COMMA = (Reading("number", ","), Reading("number", ",", padded=True))
"""Ways that are tried besides where a comma does not separate fields."""

_TEXT = Reading("text")


def typed_text(rows: pl.LazyFrame, names: Iterable[str], ways: tuple[Reading, ...]) -> tuple[pl.LazyFrame, k.Kinds]:
    """The rows with each column of `names` read in the first of `ways` that fits all its values; the kinds found.

    A value is missing where the text is empty, and in a column of numbers or dates where it is a word such as NA.
    """
    readings = _readings(rows, list(names), ways)
    typed = rows.with_columns(_read(name, reading) for name, reading in readings.items())
    return typed, {name: reading.kind if reading else None for name, reading in readings.items()}


def _readings(rows: pl.LazyFrame, names: list[str], ways: tuple[Reading, ...]) -> dict[str, Reading | None]:
    """How each column is read; None where it has no value. A round reads the file once; most files need one round."""
    heads = _heads(rows, names)
    found: dict[str, Reading | None] = dict.fromkeys(names)
    left = {name: _fitting(values, ways) for name, values in heads.items()}
    whole = {name for name, fitting in left.items() if "integer" in {way.kind for way in fitting}}
    while left:
        found |= {name: _TEXT for name, fitting in left.items() if not fitting}
        left = {name: fitting for name, fitting in left.items() if fitting}
        fits = _fit_all(rows, {name: fitting[0] for name, fitting in left.items()}, whole)
        found |= {name: fitting[0] for name, fitting in left.items() if fits[name]}
        left = {name: fitting[1:] for name, fitting in left.items() if not fits[name]}
    return found


def _heads(rows: pl.LazyFrame, names: list[str]) -> dict[str, pl.Series]:
    """The first values of each column that has any; where the first rows hold none, later ones are looked for."""
    first = rows.select(names).head(HEAD).collect()
    heads = {}
    for name in names:
        values = first[name].to_frame().filter(_present(pl.col(name)))
        if values.is_empty():
            values = rows.select(name).filter(_present(pl.col(name))).head(HEAD).collect(engine="streaming")
        if not values.is_empty():
            heads[name] = values[name]
    return heads


def _fitting(values: pl.Series, ways: tuple[Reading, ...]) -> list[Reading]:
    """The ways in which all of some values can be read."""
    column = pl.col(values.name)
    looks = []
    for place, way in enumerate(ways):
        fits = _value(column, way).is_not_null()
        if way.kind in ("integer", "number"):
            fits = fits & ~column.str.contains(_WORD)
        some = ~column.str.contains(_THOUSANDS).all() if way in DECIMAL_COMMA else pl.lit(True)
        looks.append((fits.all() & some).alias(str(place)))
    found = values.to_frame().select(looks).row(0)
    return [way for way, fits in zip(ways, found, strict=True) if fits]


def _fit_all(rows: pl.LazyFrame, ways: dict[str, Reading], whole: set[str]) -> dict[str, bool]:
    """Whether every value that is there can be read in its column's way, over all rows.

    `whole` names columns that began with whole numbers: there, such numbers are looked at more closely.
    """
    looks = [pl.lit(True).alias("")]
    for name, way in ways.items():
        column = pl.col(name)
        fits = _value(column, way).is_not_null()
        if way.kind == "integer":
            fits = fits & ~(
                (column.str.starts_with("0") & (column.str.len_bytes() > 1)) | (column.str.len_bytes() > 18)
            )
        elif way.kind == "number" and name in whole:
            fits = fits & ~column.str.contains(_WORD)
        looks.append((fits | ~_present(_text(column, way))).all().alias(name))
    return rows.select(looks).collect(engine="streaming").row(0, named=True)


_WORD = r"^\s*[+-]?(0\d+|\d{19,})\s*$"
"""A number that is a word: led by zeros, or too long to be counted with. Postcodes and account numbers are such."""


_THOUSANDS = r",\d{3}\s*$"
"""What may as well be a whole number with its thousands set apart; where all are such, none is read as a decimal."""


def _present(column: pl.Expr) -> pl.Expr:
    return column.is_not_null() & ~column.is_in(k.MISSING)


def _text(column: pl.Expr, way: Reading) -> pl.Expr:
    return column.str.strip_chars() if way.padded else column


def _value(column: pl.Expr, way: Reading) -> pl.Expr:
    text = _text(column, way)
    if way in DECIMAL_COMMA:
        return k.parsed(text.str.replace(",", ".", literal=True), "number")
    if way.written:
        value = k.moment(text, way.written)
        return value.cast(pl.Date) if way.kind == "date" else value
    return k.parsed(text, way.kind)


def _read(name: str, way: Reading | None) -> pl.Expr:
    if way is None:
        return pl.lit(None, dtype=pl.Null).alias(name)
    if way.kind == "text":
        return pl.when(pl.col(name) != "").then(pl.col(name)).alias(name)
    return _value(pl.col(name), way).alias(name)
