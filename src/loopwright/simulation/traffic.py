"""Simulated traffic: answered by the server's own parts, recorded and summed up as a server does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.core.codec import to_json
from loopwright.errors import LoopwrightError, NotFoundError
from loopwright.evaluation.tasks import Scores, Task
from loopwright.ports.predictor import Columns
from loopwright.ports.storage import Storage
from loopwright.serving.batch import Batch, join
from loopwright.serving.capture import segment, write_segment
from loopwright.serving.endpoints import Endpoints, LiveEndpoint, LiveVariant
from loopwright.serving.models import Load, Shelf
from loopwright.serving.served import Failed
from loopwright.serving.summaries import Windows
from loopwright.serving.tabular import Values
from loopwright.traffic.predictions import segment_key
from loopwright.traffic.summary import summary_key

LATENCY_MS, LATENCY_SPREAD = 4.0, 0.35
"""Latencies are made up, for nothing goes over a wire: log-normal, with this median and this deviation."""

SLOW, ERRORS = 10.0, 0.1
"""How much longer a slow version takes, and what share of its requests a faulty one fails."""

SERVER = "simulated"


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What came of requests: `scores` by row, NaN where nothing was answered, and how many were not."""

    scores: Scores
    failed: int
    version: int


class Traffic:
    """One inference server of `endpoint`, without its doors and threads. Time is cut into windows of an hour.

    `ailment` says what is wrong with a version: that it is slow, or makes errors.
    """

    def __init__(
        self,
        endpoint: str,
        storage: Storage,
        cache: Path,
        load: Load,
        *,
        ailment: Callable[[int], str | None],
        seed: int,
    ) -> None:
        self._name, self._storage, self._ailment = endpoint, storage, ailment
        self._endpoints = Endpoints(storage, Shelf(storage, cache, load), [endpoint])
        self._windows = Windows(3600)
        self._random = np.random.default_rng((seed, 8))
        self._numbers = count()
        self._captured: dict[LiveVariant, list[Batch]] = {}

    def look(self) -> LiveEndpoint:
        """Take up the newest revision. Raises `NotFoundError` where none can be served."""
        self._endpoints.look()
        if self._name not in self._endpoints.live:
            raise NotFoundError(f"{self._name} serves nothing", remedy=str(self._endpoints.faults.get(self._name, "")))
        return self._endpoints.live[self._name]

    def serve(
        self,
        rows: pl.DataFrame,
        ids: Sequence[str],
        at: Sequence[datetime],
        *,
        task: Task,
        classes: tuple[str, ...],
        away: NDArray[np.bool_],
    ) -> Answered:
        """Answer `rows`, which come at the moments `at`, in order; those marked `away` come while nothing answers."""
        endpoint = self.look()
        scores = np.full((len(ids), len(classes)) if task.name == "multiclass" else len(ids), np.nan)
        routed = _routed(endpoint, rows, ids)
        failed = 0
        for place, live in enumerate(endpoint.variants):
            chosen = np.flatnonzero(routed == place)
            lost = away[chosen] | self._errors(live, len(chosen))
            failed += int(lost.sum())
            if lost.any():
                self._windows.fail(Failed(live, at[int(chosen[0])], "model"), int(lost.sum()))
            chosen = chosen[~lost]
            if len(chosen):
                places = chosen.tolist()
                made = self._predict(live, rows[places], [ids[one] for one in places], [at[one] for one in places])
                if made is None:
                    failed += len(chosen)
                else:
                    scores[chosen] = task.scores(live.model.manifest, made, classes)
        champion = next((one for one in endpoint.variants if one.variant.name == "champion"), endpoint.variants[0])
        return Answered(scores=scores, failed=failed, version=champion.variant.version)

    def close(self, now: datetime) -> None:
        """Hand in the summaries of the windows that are over."""
        for summary in self._windows.closed(now):
            self._storage.put(summary_key(summary, SERVER, next(self._numbers)), to_json(summary))

    def capture(self) -> None:
        """Hand in what was captured since the last time, a segment a variant: one an hour takes long to read again."""
        for batches in self._captured.values():
            whole = join(batches)
            place = segment_key(self._name, whole.at[0], SERVER, next(self._numbers))
            self._storage.put(place, bytes(write_segment(segment(whole))))
        self._captured = {}

    def _predict(
        self, live: LiveVariant, rows: pl.DataFrame, ids: Sequence[str], at: Sequence[datetime]
    ) -> dict[str, NDArray[np.generic]] | None:
        """What is answered, captured and counted; None where the model cannot."""
        columns = as_columns(rows)
        try:
            outputs = live.model.predict_aside({name: columns[name] for name in live.model.names})
        except LoopwrightError:
            self._windows.fail(Failed(live, at[0], "model"), len(ids))
            return None
        slow = SLOW if self._ailment(live.variant.version) == "slow" else 1.0
        key = live.model.manifest.key or live.revision.sticky_by
        batch = Batch(
            live=live,
            ids=ids,
            at=at,
            counts=np.ones(len(ids), dtype=np.int64),
            latencies=slow * LATENCY_MS * self._random.lognormal(0, LATENCY_SPREAD, len(ids)),
            keys=rows[key].cast(pl.String).to_list() if key in rows.columns else [None] * len(ids),
            columns={name: columns[name] for name in live.model.names},
            outputs=outputs,
        )
        for window in self._by_window(batch):
            self._windows.serve(window, self._windows.place(window.at[0]))
        kept = batch.sampled(live.revision.capture.share)
        if kept.requests:
            self._captured.setdefault(live, []).append(kept)
        return outputs

    def _by_window(self, batch: Batch) -> Iterator[Batch]:
        places = np.array([self._windows.place(at) for at in batch.at])
        for place in np.unique(places):
            first, last = np.searchsorted(places, [place, place + 1]).tolist()
            yield replace(
                batch,
                ids=batch.ids[first:last],
                at=batch.at[first:last],
                counts=batch.counts[first:last],
                latencies=batch.latencies[first:last],
                keys=batch.keys[first:last],
                columns={name: values[first:last] for name, values in batch.columns.items()},
                outputs={name: values[first:last] for name, values in batch.outputs.items()},
            )

    def _errors(self, live: LiveVariant, number: int) -> NDArray[np.bool_]:
        faulty = self._ailment(live.variant.version) == "errors"
        return self._random.random(number) < ERRORS if faulty else np.zeros(number, dtype=np.bool_)


def as_columns(rows: pl.DataFrame) -> Columns:
    """The rows as a client would send them: numbers as such, moments as text."""
    made: dict[str, Values] = {}
    for column in rows:
        if column.dtype.is_numeric():
            made[column.name] = column.cast(pl.Float64).to_numpy()
        elif column.dtype.is_temporal():
            made[column.name] = column.cast(pl.String).str.replace(" ", "T").to_list()
        else:
            made[column.name] = column.to_list()
    return made


def spread(start: datetime, seconds: NDArray[np.float64]) -> list[datetime]:
    return [start + timedelta(seconds=one) for one in seconds.tolist()]


def _routed(endpoint: LiveEndpoint, rows: pl.DataFrame, ids: Sequence[str]) -> NDArray[np.int64]:
    """The place of the variant that answers each row: by what makes it sticky, else by its id."""
    if len(endpoint.variants) == 1:
        return np.zeros(len(ids), dtype=np.int64)
    sticky = endpoint.revision.sticky_by
    keys = rows[sticky].cast(pl.String).to_list() if sticky in rows.columns else ids
    places = {id(one): place for place, one in enumerate(endpoint.variants)}
    return np.array([places[id(endpoint.route(key or name))] for key, name in zip(keys, ids, strict=True)])
