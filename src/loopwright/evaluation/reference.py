"""The reference: the evaluation rows and what was predicted for them, in counts that later windows are held against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import polars as pl

from loopwright.bundle.bins import count_numbers
from loopwright.bundle.encoding import category_texts
from loopwright.bundle.frames import series_values
from loopwright.bundle.outputs import Outputs
from loopwright.bundle.records import Manifest, Reference, ReferenceColumn
from loopwright.evaluation.usual import Windows, cut_windows, usual_psi
from loopwright.policies.retraining import Drift
from loopwright.statistics.histogram import edges_from
from loopwright.traffic.predictions import INPUT, OUTPUT

BINS = 20
VALUES = 50


def make_reference(
    manifest: Manifest,
    rows: pl.DataFrame,
    outputs: Outputs,
    *,
    without: Iterable[str] = (),
    time: str | None = None,
    drift: Drift | None = None,
) -> Reference:
    """The columns that the model takes and gives, in bins of equal mass or by their `VALUES` commonest values; of a
    column with more than these, half of the rows are counted.

    Left out are the columns `without` (redacted ones, whose values must not be kept, and keys, which never repeat),
    dates, which move on by their nature, and matrices of probabilities: the label says what they come to. With the
    column `time`, each column says how far ordinary windows of `drift` are from the others.
    """
    left_out = set(without)
    found = [
        (INPUT + one.name, one.kind, rows[one.name])
        for one in manifest.signature.inputs
        if one.name in rows.columns and one.name not in left_out and one.kind not in ("date", "datetime")
    ]
    found += [
        (OUTPUT + one.name, one.kind, pl.Series(outputs[one.name]))
        for one in manifest.signature.outputs
        if one.width == 0
    ]
    watched = drift or Drift()
    windows = cut_windows(rows[time], watched) if time is not None else None
    columns = (_column(name, kind, values, windows, watched.alpha / len(found)) for name, kind, values in found)
    return Reference(rows=rows.height, columns=tuple(columns))


def _column(name: str, kind: str, values: pl.Series, windows: Windows | None, alpha: float) -> ReferenceColumn:
    column = _numbers(name, values) if kind in ("number", "integer") else _categories(name, values)
    return column if windows is None else replace(column, usual=usual_psi(column, values, windows, alpha))


def _numbers(name: str, values: pl.Series) -> ReferenceColumn:
    found = values.cast(pl.Float64).to_numpy()  # NaN where missing
    edges = edges_from(found, BINS)
    counts = tuple(count_numbers(edges, found).tolist())
    return ReferenceColumn(name=name, kind="number", counts=counts, edges=edges, missing=int(np.isnan(found).sum()))


def _categories(name: str, values: pl.Series) -> ReferenceColumn:
    first = rows = _by_text(values)
    if len(rows) > VALUES + (None in rows):
        # What a sample has most of, it has more of than there is: later windows would seem to lack it. So one half of
        # the rows says which values are told apart, and the other half how common those are.
        first, rows = _halves(rows)
    ranked = sorted((-count, text) for text, count in first.items() if text is not None)
    known = tuple(sorted(text for _, text in ranked[:VALUES]))
    missing = rows.pop(None, 0)
    counts = tuple(rows[text] for text in known)
    others = rows.total() - sum(counts)
    return ReferenceColumn(name=name, kind="category", counts=(*counts, others), values=known, missing=missing)


def _halves(rows: Counter[str | None]) -> tuple[Counter[str | None], Counter[str | None]]:
    """The rows in two halves, drawn by lot: every other row would be every other station where stations take turns."""
    texts = sorted(rows, key=lambda text: (text is not None, text or ""))
    lots = np.random.default_rng(0)  # the same rows make the same reference
    drawn = lots.multivariate_hypergeometric([rows[text] for text in texts], rows.total() // 2, method="marginals")
    first = Counter(dict(zip(texts, drawn.tolist(), strict=True)))
    return +first, rows - first


def _by_text(values: pl.Series) -> Counter[str | None]:
    different = values.alias("value").value_counts(name="rows")
    found: Counter[str | None] = Counter()
    for text, count in zip(category_texts(series_values(different["value"])), different["rows"], strict=True):
        found[text] += count  # two values may have one text
    return found
