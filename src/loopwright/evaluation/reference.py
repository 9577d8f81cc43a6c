"""The reference: the evaluation rows and what was predicted for them, in counts that later windows are held against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import polars as pl

from loopwright.bundle.bins import count_categories, count_numbers
from loopwright.bundle.encoding import category_texts
from loopwright.bundle.frames import series_values
from loopwright.bundle.outputs import Outputs
from loopwright.bundle.records import Manifest, Reference, ReferenceColumn
from loopwright.statistics.arrays import AnyArray
from loopwright.statistics.histogram import edges_from
from loopwright.traffic.predictions import INPUT, OUTPUT

BINS = 20
VALUES = 50


def make_reference(
    manifest: Manifest, rows: pl.DataFrame, outputs: Outputs, *, without: Iterable[str] = ()
) -> Reference:
    """The columns that the model takes and gives, in bins of equal mass or by their `VALUES` commonest values.

    Left out are the columns `without` (redacted ones, whose values must not be kept, and keys, which never repeat),
    dates, which move on by their nature, and matrices of probabilities: the label says what they come to.
    """
    left_out = set(without)
    columns = [
        _column(INPUT + one.name, one.kind, rows[one.name])
        for one in manifest.signature.inputs
        if one.name in rows.columns and one.name not in left_out and one.kind not in ("date", "datetime")
    ]
    columns += [
        _column(OUTPUT + one.name, one.kind, pl.Series(outputs[one.name]))
        for one in manifest.signature.outputs
        if one.width == 0
    ]
    return Reference(rows=rows.height, columns=tuple(columns))


def _column(name: str, kind: str, values: pl.Series) -> ReferenceColumn:
    return _numbers(name, values) if kind in ("number", "integer") else _categories(name, values)


def _numbers(name: str, values: pl.Series) -> ReferenceColumn:
    found = values.cast(pl.Float64).to_numpy()  # NaN where missing
    edges = edges_from(found, BINS)
    counts = _plain(count_numbers(edges, found))
    return ReferenceColumn(name=name, kind="number", counts=counts, edges=edges, missing=int(np.isnan(found).sum()))


def _categories(name: str, values: pl.Series) -> ReferenceColumn:
    texts = category_texts(series_values(values))
    ranked = sorted(Counter(text for text in texts if text is not None).items(), key=lambda one: (-one[1], one[0]))
    known = tuple(sorted(text for text, _ in ranked[:VALUES]))
    counts = _plain(count_categories(known, texts))
    return ReferenceColumn(name=name, kind="category", counts=counts, values=known, missing=texts.count(None))


def _plain(counts: AnyArray) -> tuple[int, ...]:
    return tuple(counts.tolist())
