"""Kinds found in text: the narrowest way in which every value of a column can be read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from loopwright.data import kinds as k
from loopwright.data.records import ColumnKind


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a column of text: the kind it gives, and for dates how they are written."""

    kind: ColumnKind
    written: str = ""


DATES = (
    *(Reading("date", written) for written in k.DATE_FORMATS),
    *(Reading("datetime", written) for written in k.MOMENT_FORMATS),
)
WAYS = (
    Reading("boolean"),
    Reading("integer"),
    Reading("number"),
    *DATES,
)


def typed_text(rows: pl.LazyFrame, names: Iterable[str], ways: tuple[Reading, ...]) -> tuple[pl.LazyFrame, k.Kinds]:
    """The rows with each column of `names` read in the narrowest of `ways` that fits all its values; the kinds found.

    A value is missing where the text is empty, and in a column of numbers or dates where it is a word such as NA.
    """
    readings = _readings(rows, names, ways)
    typed = rows.with_columns(_read(name, reading) for name, reading in readings.items())
    return typed, {name: reading.kind if reading else None for name, reading in readings.items()}


def _readings(rows: pl.LazyFrame, names: Iterable[str], tried: tuple[Reading, ...]) -> dict[str, Reading | None]:
    """The narrowest way that fits every value of each column. A head tells text apart, so the rest costs little."""
    ways: dict[str, tuple[Reading, ...]] = dict.fromkeys(names, tried)
    ways, _ = _fitting(rows.head(1000), ways)
    ways, filled = _fitting(rows, ways)
    text = Reading("text")
    return {name: (fitting[0] if fitting else text) if filled[name] else None for name, fitting in ways.items()}


def _fitting(
    rows: pl.LazyFrame, ways: dict[str, tuple[Reading, ...]]
) -> tuple[dict[str, tuple[Reading, ...]], dict[str, bool]]:
    """The ways that fit every value of their column, and which columns have a value at all."""
    looks = [
        _fits(name, way).alias(f"{place}:{turn}")
        for place, (name, tried) in enumerate(ways.items())
        for turn, way in enumerate(tried)
    ]
    filled = [
        (_present(name) if tried else pl.lit(True)).any().alias(f"{place}:filled")
        for place, (name, tried) in enumerate(ways.items())
    ]
    found = rows.select(*filled, *looks).collect(engine="streaming").row(0, named=True)
    kept = {
        name: tuple(way for turn, way in enumerate(tried) if found[f"{place}:{turn}"])
        for place, (name, tried) in enumerate(ways.items())
    }
    return kept, {name: bool(found[f"{place}:filled"]) for place, name in enumerate(ways)}


def _fits(name: str, way: Reading) -> pl.Expr:
    """Whether every value that is there can be read so. A number with a leading zero, or too long, is a word."""
    fits = _value(name, way).is_not_null()
    if way.kind in ("integer", "number"):
        fits = fits & ~pl.col(name).str.contains(r"^\s*[+-]?(0\d+|\d{19,})\s*$")
    return (fits | ~_present(name)).all()


def _present(name: str) -> pl.Expr:
    return ~pl.col(name).str.strip_chars().is_in(k.MISSING).fill_null(True)


def _value(name: str, way: Reading) -> pl.Expr:
    if way.written:
        value = k.moment(pl.col(name).str.strip_chars(), way.written)
        return value.cast(pl.Date) if way.kind == "date" else value
    return k.parsed(pl.col(name), way.kind)


def _read(name: str, way: Reading | None) -> pl.Expr:
    if way is None:
        return pl.lit(None, dtype=pl.Null).alias(name)
    if way.kind == "text":
        return pl.when(pl.col(name) != "").then(pl.col(name)).alias(name)
    return _value(name, way).alias(name)
