"""The reference: the evaluation rows and what was predicted for them, in counts that later windows are held against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from loopwright.bundle.bins import count_categories, count_numbers
from loopwright.bundle.encoding import category_texts, numbers
from loopwright.bundle.frames import series_values
from loopwright.bundle.outputs import Outputs
from loopwright.bundle.records import Manifest, Reference, ReferenceColumn
from loopwright.statistics.arrays import AnyArray
from loopwright.statistics.histogram import edges_from
from loopwright.traffic.predictions import INPUT, OUTPUT

BINS = 20
VALUES = 50


def make_reference(
    manifest: Manifest,
    rows: pl.DataFrame,
    outputs: Outputs,
    *,
    importance: Mapping[str, float],
    without: Iterable[str] = (),
) -> Reference:
    """The columns that the model takes and gives, in bins of equal mass or by their `VALUES` commonest values.

    Left out are the columns `without` (redacted ones, whose values must not be kept, and keys, which never repeat),
    dates, which move on by their nature, and matrices of probabilities: the label says what they come to.
    """
    kept = [one for one in manifest.signature.inputs if one.name in rows.columns and one.name not in set(without)]
    columns = []
    for one in kept:
        if one.kind in ("number", "integer"):
            columns.append(_numbers(INPUT + one.name, rows[one.name], importance.get(one.name, 0.0)))
        elif one.kind in ("text", "boolean"):
            columns.append(_categories(INPUT + one.name, rows[one.name], importance.get(one.name, 0.0)))
    for said in manifest.signature.outputs:
        if said.width == 0:
            make = _numbers if said.kind == "number" else _categories
            columns.append(make(OUTPUT + said.name, pl.Series(outputs[said.name]), 0.0))
    return Reference(rows=rows.height, columns=tuple(columns))


def _numbers(name: str, values: pl.Series, importance: float) -> ReferenceColumn:
    found = numbers(series_values(values))
    edges = edges_from(found, BINS)
    counts = count_numbers(edges, found)
    missing = int(np.isnan(found).sum())
    return ReferenceColumn(
        name=name, kind="number", counts=_plain(counts), edges=edges, missing=missing, importance=importance
    )


def _categories(name: str, values: pl.Series, importance: float) -> ReferenceColumn:
    texts = category_texts(series_values(values))
    common = pl.Series(texts, dtype=pl.String).drop_nulls().value_counts(sort=True)
    known = tuple(sorted(common[common.columns[0]].head(VALUES).to_list()))
    return ReferenceColumn(
        name=name,
        kind="category",
        counts=_plain(count_categories(known, texts)),
        values=known,
        missing=texts.count(None),
        importance=importance,
    )


def _plain(counts: AnyArray) -> tuple[int, ...]:
    return tuple(counts.tolist())
