"""A column of features, looked at on training rows: how it becomes numbers, or why it is left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from loopwright.bundle.encoding import category_texts, date_parts
from loopwright.bundle.frames import series_values
from loopwright.bundle.records import FeatureColumn
from loopwright.errors import FeatureError

VOCABULARY = 255
"""The commonest categories that a column keeps; others count as unseen."""

FEW_TEXTS = 20
PARTS: dict[str, int] = {"month": 365, "day": 60, "weekday": 14, "hour": 2}
"""Parts of a date, each with the days that rows must span for it to come round and not be a clock in disguise."""

Role = Literal["time", "given", "made"]
"""Where a column comes from: the declared time, the raw rows, or the user's feature function."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """A fitted column, or None where it is left out; `note` says what is worth saying about it."""

    column: FeatureColumn | None
    note: str = ""


def fit_column(values: pl.Series, role: Role) -> Fitted:
    """How `values` (training rows) become numbers. Raises `FeatureError` for a type that cannot.

    Left out: columns without any value, with one value only, and raw text of which more than half is different.
    """
    name = values.name
    if values.null_count() == len(values):
        return Fitted(column=None, note=f"{name!r} is left out: it holds no value in the training rows")
    if _constant(values):
        return Fitted(column=None, note=f"{name!r} is left out: it is {values[0]!r} in every training row")
    if values.dtype.is_numeric():
        return Fitted(column=FeatureColumn(name=name, kind="number"))
    if values.dtype == pl.Boolean:
        return Fitted(column=FeatureColumn(name=name, kind="boolean"))
    if values.dtype in (pl.String, pl.Categorical, pl.Enum):
        return _fit_text(values.cast(pl.String), role)
    if values.dtype in (pl.Date, pl.Datetime):
        return _fit_date(values, role)
    raise FeatureError(
        f"the feature {name!r} holds {values.dtype}, which does not become a number",
        remedy="make it a number, text, a date or a truth value, or leave it out",
    )


def refit_column(column: FeatureColumn, values: pl.Series) -> FeatureColumn:
    """The same feature with its vocabulary fitted on other rows."""
    if column.kind != "category":
        return column
    return FeatureColumn(name=column.name, kind="category", vocabulary=_commonest(values.cast(pl.String))[0])


def _constant(values: pl.Series) -> bool:
    if values.null_count():
        return False
    if values.dtype.is_nested():
        return False
    return values.n_unique() == 1 if not values.dtype.is_numeric() else bool(values.min() == values.max())


def _fit_text(values: pl.Series, role: Role) -> Fitted:
    vocabulary, distinct = _commonest(values)
    known = len(values) - values.null_count()
    if role != "made" and distinct > FEW_TEXTS and distinct > known / 2:
        return Fitted(
            column=None,
            note=f"{values.name!r} is left out: {distinct:,} different texts in {known:,} rows name rows, not kinds",
        )
    kept = f"{values.name!r} keeps its {VOCABULARY} commonest of {distinct:,} texts; the others count as unseen"
    return Fitted(
        column=FeatureColumn(name=values.name, kind="category", vocabulary=vocabulary),
        note=kept if distinct > VOCABULARY else "",
    )


def _commonest(values: pl.Series) -> tuple[tuple[str, ...], int]:
    """The commonest texts, commonest first (equally common ones in their order), and how many there are."""
    counts = values.drop_nulls().alias("text").value_counts(name="rows")
    ranked = counts.sort(["rows", "text"], descending=[True, False]).head(VOCABULARY)
    return tuple(text for text in category_texts(series_values(ranked["text"])) if text is not None), len(counts)


def _fit_date(values: pl.Series, role: Role) -> Fitted:
    different = values.drop_nulls().unique()
    moments = series_values(different)
    span = (moments.max() - moments.min()).astype("m8[D]").astype(int)
    candidates = [part for part, days in PARTS.items() if span >= days]
    # The declared time moves on for ever, so the day itself would say nothing about the rows to come.
    candidates = candidates if role == "time" else ["days", *candidates]
    found = date_parts(moments.astype("M8[us]"), candidates) if candidates else None
    varying = [] if found is None else [one for place, one in enumerate(candidates) if len(set(found[:, place])) > 1]
    if not varying:
        return Fitted(column=None, note=f"{values.name!r} is left out: its dates span too little time to come round")
    return Fitted(
        column=FeatureColumn(name=values.name, kind="date", parts=tuple(varying)),
        note=f"{values.name!r} becomes {', '.join(varying)}",
    )
