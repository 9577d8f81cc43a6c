"""Answered requests put end to end: what captures and summaries are both made from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopwright.bundle.blocks import Block
from loopwright.serving.endpoints import LiveVariant
from loopwright.serving.router import place
from loopwright.serving.served import Served
from loopwright.serving.tabular import Values, key_text
from loopwright.serving.typed import gathered

JOINED = 16
"""So many batches are joined at once."""

SMALL = 1024
"""Up to so many rows all columns are joined at once."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One variant's answered requests: `ids`, `at`, `counts` (how many rows) and `latencies` (ms) by request; `keys`,
    `columns` (the model's inputs, as they came) and `outputs` by row. `keys` are what outcomes are joined by. `weight`
    is what the records took in their buffer. `units` say by what each request was routed, as it came,
    where requests have keys and variants share the traffic: what comes of one key is one piece of evidence. `named`
    marks the requests whose caller chose the variant, where variants share the traffic and there are any. `matrix` has
    all columns, one after the other, where they are known to be numbers: batches are joined faster by it.
    """

    live: LiveVariant
    ids: Sequence[str]
    at: Sequence[datetime]
    counts: NDArray[np.int64]
    latencies: NDArray[np.float64]
    keys: Sequence[str | None]
    columns: Mapping[str, Values]
    outputs: Mapping[str, NDArray[np.generic]]
    weight: int = 0
    units: Sequence[Any] = ()
    named: Sequence[bool] = ()
    matrix: NDArray[np.float64] | None = None

    @property
    def requests(self) -> int:
        return len(self.ids)

    @cached_property
    def rows(self) -> int:
        return int(self.counts.sum())

    def sampled(self, share: float) -> Batch:
        """The requests that a capture policy keeps: by their prediction id, so that a share is a fair one."""
        if share >= 1:
            return self
        return self.where(np.array([place("capture", one) < 100 * share for one in self.ids], dtype=bool))

    def where(self, chosen: NDArray[np.bool_]) -> Batch:
        """The requests that are marked."""
        requests, rows = np.flatnonzero(chosen).tolist(), np.repeat(chosen, self.counts)
        places = np.flatnonzero(rows).tolist()
        return replace(
            self,
            ids=[self.ids[one] for one in requests],
            at=[self.at[one] for one in requests],
            counts=self.counts[chosen],
            latencies=self.latencies[chosen],
            keys=[self.keys[one] for one in places],
            units=[self.units[one] for one in requests] if self.units else (),
            named=[self.named[one] for one in requests] if self.named else (),
            columns={
                name: values[rows] if isinstance(values, np.ndarray) else [values[one] for one in places]
                for name, values in self.columns.items()
            },
            outputs={name: values[rows] for name, values in self.outputs.items()},
            matrix=None,
        )


def gather(records: Sequence[Served]) -> list[Batch]:
    """The records as batches: of one variant each, and long arrays apart from the rest."""
    groups: dict[tuple[LiveVariant, bool], list[Served]] = {}
    for record in records:
        groups.setdefault((record.live, _is_long(record)), []).append(record)
    return [_gathered(live, some, long) for (live, long), some in groups.items()]


def join(batches: Sequence[Batch], rest: Callable[[], None] = lambda: None) -> Batch:
    """Batches of one variant, one after the other. Few at a time, so that there may be a `rest` between."""
    while len(batches) > JOINED:
        parts = []
        for begin in range(0, len(batches), JOINED):
            parts.append(join(batches[begin : begin + JOINED], rest))
            rest()
        batches = parts
    if len(batches) == 1:
        return batches[0]
    first, matrices = batches[0], [one.matrix for one in batches if one.matrix is not None]
    small = len(matrices) == len(batches) and sum(one.shape[1] for one in matrices) <= SMALL
    matrix = np.concatenate(matrices, axis=1) if small else None
    return Batch(
        live=first.live,
        ids=list(chain.from_iterable(one.ids for one in batches)),
        at=list(chain.from_iterable(one.at for one in batches)),
        counts=np.concatenate([one.counts for one in batches]),
        latencies=np.concatenate([one.latencies for one in batches]),
        keys=list(chain.from_iterable(one.keys for one in batches)),
        columns=_joined_columns(batches, rest) if matrix is None else dict(zip(first.columns, matrix, strict=True)),
        outputs={name: np.concatenate([one.outputs[name] for one in batches]) for name in first.outputs},
        units=_joined_units(batches),
        named=_joined_named(batches),
        matrix=matrix,
    )


def _joined_columns(batches: Sequence[Batch], rest: Callable[[], None]) -> dict[str, Values]:
    joined = {}
    for name in batches[0].columns:
        joined[name] = gathered([(one.columns[name], one.rows) for one in batches])
        rest()
    return joined


def _gathered(live: LiveVariant, records: Sequence[Served], long: bool) -> Batch:
    counts = np.array([one.rows for one in records])
    shared = len(live.revision.answering) > 1
    names = live.model.names
    blocks = all(type(one.columns) is Block and one.columns.names == names for one in records)
    matrix = _matrix(live, records) if blocks else None
    return Batch(
        live=live,
        ids=[one.prediction_id for one in records],
        at=[one.at for one in records],
        counts=counts,
        latencies=np.array([one.latency_ms for one in records]),
        keys=_keys(live, records, blocks),
        columns=_columns(live, records, counts, long) if matrix is None else dict(zip(names, matrix, strict=True)),
        outputs={name: np.concatenate([one.outputs[name] for one in records]) for name in records[0].outputs},
        weight=sum(one.weight for one in records),
        units=_units(live, records) if shared else (),
        named=[one.named for one in records] if shared and any(one.named for one in records) else (),
        matrix=matrix,
    )


def _units(live: LiveVariant, records: Sequence[Served]) -> Sequence[Any]:
    """The keys as they came: what text they are is found in the background."""
    sticky = live.revision.sticky_by
    if sticky is None:
        return [one.key or one.prediction_id for one in records] if any(one.key for one in records) else ()
    return [one.key or one.columns.get(sticky, _NONE)[0] for one in records]


def _joined_units(batches: Sequence[Batch]) -> Sequence[Any]:
    """Where some have units, those that have none had no keys: each of their requests is one of its own."""
    if not any(one.units for one in batches):
        return ()
    return list(chain.from_iterable(one.units or one.ids for one in batches))


def _joined_named(batches: Sequence[Batch]) -> Sequence[bool]:
    if not any(one.named for one in batches):
        return ()
    return list(chain.from_iterable(one.named or (False,) * one.requests for one in batches))


def _is_long(record: Served) -> bool:
    """Whether the record's columns are arrays of several rows, which are put end to end as they are."""
    return record.rows > 1 and isinstance(next(iter(record.columns.values()), None), np.ndarray)


def _keys(live: LiveVariant, records: Sequence[Served], blocks: bool) -> Sequence[str | None]:
    """The model's key column; else the request's key, else what made it sticky. A redacted column is none."""
    redacted = {*live.revision.capture.redact, *live.model.manifest.redact}
    own, sticky = (
        None if name in redacted or (blocks and name not in live.model.names) else name
        for name in (live.model.manifest.key, live.revision.sticky_by)
    )
    if own is None and sticky is None and all(one.rows == 1 for one in records):
        return [one.key for one in records]
    return list(chain.from_iterable(_keys_of(one, own, sticky) for one in records))


def _keys_of(record: Served, own: str | None, sticky: str | None) -> Sequence[str | None]:
    found = record.columns.get(own) if own else None
    if found is not None:
        return [key_text(value) for value in found]
    if record.key is not None:
        return [record.key] * record.rows
    found = record.columns.get(sticky) if sticky else None
    return [None] * record.rows if found is None else [key_text(value) for value in found]


def _matrix(live: LiveVariant, records: Sequence[Served]) -> NDArray[np.float64] | None:
    """The columns of records that are blocks of the model's names, end to end; None where they are no numbers."""
    if any(one.kind != "number" for one in live.model.inputs):
        return None
    runs = [record.columns.flat for record in records if isinstance(record.columns, Block)]
    try:
        flat: NDArray[Any] = np.concatenate([_vector(run) for run in runs])
    except (TypeError, ValueError, OverflowError):
        flat = _numeric(np.fromiter(chain.from_iterable(runs), np.object_))
    rows = flat.reshape(-1, len(live.model.names))
    return None if flat.dtype == np.object_ else np.ascontiguousarray(rows.T)


def _vector(values: Values) -> NDArray[np.float64]:
    """Raises `TypeError`, `ValueError` or `OverflowError` where a value is no number."""
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1:
        raise ValueError("a value is a list")
    return vector


def _columns(live: LiveVariant, records: Sequence[Served], counts: NDArray[np.int64], long: bool) -> dict[str, Values]:
    """All inputs in one walk over the records. None (NaN in a column of numbers) where a request has no such column."""
    numbers = [one.name for one in live.model.inputs if one.kind == "number"]
    others = [one.name for one in live.model.inputs if one.kind != "number"]
    if long:
        return {name: gathered([(one.columns.get(name), one.rows) for one in records]) for name in live.model.names}
    try:
        flat = _flat(records, numbers, np.float64)
    except (TypeError, ValueError, OverflowError):
        flat = _numeric(_flat(records, numbers, np.object_))
    return {**dict(_split(numbers, flat, counts)), **dict(_split(others, _flat(records, others, np.object_), counts))}


def _split(names: Sequence[str], flat: NDArray[Any], rows: NDArray[np.int64]) -> Iterator[tuple[str, Values]]:
    """`flat` holds record after record, in each column after column, in each row after row."""
    step = np.repeat(rows, rows)
    starts = np.repeat(np.cumsum(rows) - rows, rows)
    first = np.arange(len(starts)) + starts * (len(names) - 1)
    for number, name in enumerate(names):
        column = flat[first + number * step]
        yield name, column.tolist() if column.dtype == np.object_ else column


def _flat(records: Sequence[Served], names: Sequence[str], dtype: Any) -> NDArray[Any]:
    """Raises `TypeError`, `ValueError` or `OverflowError` where a value is no number, and numbers are wanted."""
    if not names:
        return np.empty(0, dtype=dtype)
    missing = np.nan if dtype is np.float64 else None
    pick = _picker(names)
    try:
        columns = [pick(one.columns) for one in records]
    except KeyError:
        columns = [[one.columns.get(name) or [missing] * one.rows for name in names] for one in records]
    return np.fromiter(chain.from_iterable(chain.from_iterable(columns)), dtype)


def _picker(names: Sequence[str]) -> Callable[[Mapping[str, Values]], Sequence[Values]]:
    if len(names) == 1:
        return lambda columns: [columns[names[0]]]
    return itemgetter(*names)


def _numeric(flat: NDArray[np.object_]) -> NDArray[Any]:
    """None becomes NaN, text its number; as they came, where one of them is neither."""
    try:
        return flat.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        return flat


_NONE = (None,)
