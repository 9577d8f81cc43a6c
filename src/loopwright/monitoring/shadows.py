"""A shadow beside the version that answered: captured rows joined by their ids, and compared. Loads Polars."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from loopwright.bundle.records import Manifest
from loopwright.data.captured_rows import shadow_rows, with_units
from loopwright.errors import NotFoundError, RequestError
from loopwright.evaluation.answers import captured_outputs, read_answers, shared_classes
from loopwright.evaluation.differences import Answers, Bounded, Segments, compare_answers, segment, tenths
from loopwright.evaluation.replay_pictures import draw_answers
from loopwright.monitoring.shadow_records import PairedMetric, ShadowComparison, Side
from loopwright.outcomes.ledger import read_ledger
from loopwright.outcomes.measured import manifest_of, measure_rows
from loopwright.policies.tasks import METRICS
from loopwright.ports.storage import Storage
from loopwright.registry.service import Registry
from loopwright.rollout.evidence import asked, latency_quantile, summaries
from loopwright.statistics.comparison import wilson
from loopwright.statistics.dependence import in_clusters
from loopwright.statistics.metrics import METRICS_OF, prepare
from loopwright.statistics.paired import compare
from loopwright.traffic.predictions import INPUT
from loopwright.traffic.summary import WindowSummary, merge

ANSWER = "the answer given"
"""The segments by what was answered: tenths of numbers and probabilities, or the class that was called."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Paired:
    """Rows that the shadow `version` and the version `against` have both predicted.

    `answered` and `shadow` are their captured rows in the same order, `answered` with `unit`, the inputs `by` which
    segments are, and `value`: what came true, as far as it is known.
    """

    model: str
    version: int
    against: int | None
    since: datetime
    until: datetime
    by: tuple[str, ...]
    manifests: tuple[Manifest, Manifest] | None
    answered: pl.DataFrame = field(repr=False)
    shadow: pl.DataFrame = field(repr=False)
    unpaired: int
    repeated: int
    windows: tuple[WindowSummary, ...] = field(repr=False)

    @property
    def classes(self) -> tuple[str, ...] | None:
        return shared_classes(*self.manifests) if self.manifests else None

    @property
    def answers(self) -> tuple[Answers, Answers] | None:
        """What was answered, and what the shadow would have; None where they cannot be compared."""
        if self.manifests is None or self.classes is None:
            return None
        sides = zip(self.manifests, (self.answered, self.shadow), strict=True)
        first, second = (read_answers(one, captured_outputs(rows), self.classes) for one, rows in sides)
        return first, second


def pair_shadow(
    model: str,
    since: datetime,
    until: datetime,
    *,
    version: int | None = None,
    by: Sequence[str] = (),
    slices: Sequence[str] = (),
    storage: Storage,
    registry: Registry,
    scratch: Path,
) -> Paired:
    """What the shadow `version` (the one that predicted last) saw in [since, until), beside the version that answered
    most of it.

    Segments are by the columns `by`; without any, by those `slices` that were captured. Raises `NotFoundError` where no
    shadow was captured, `RequestError` for a column of `by` that was not.
    """
    number, found = _shadow(model, version, shadow_rows(storage, model, since, until, scratch=scratch), since)
    own, repeated = _once(found)
    given = read_ledger(storage, model, since, until, scratch=scratch, inputs=by or slices)
    joined = {other: _join(_once(rows)[0], own) for other, rows in given.items() if other != number}
    against = max(joined, key=lambda other: joined[other][0].height, default=None)
    answered, shadow = joined[against] if against is not None else (pl.DataFrame(), pl.DataFrame())
    if not answered.height:
        against = None
    return Paired(
        model=model,
        version=number,
        against=against,
        since=since,
        until=until,
        by=_columns(model, answered, by, slices),
        manifests=_manifests(storage, registry, model, against, number),
        answered=with_units(answered) if answered.height else answered,
        shadow=shadow,
        unpaired=own.height - answered.height,
        repeated=repeated,
        windows=(
            *summaries(storage, model, since, until, shadow=True),
            *summaries(storage, model, since, until),
        ),
    )


def compare_shadow(paired: Paired, *, tolerance: float = 0.1) -> ShadowComparison:
    """Differences by segment, errors and latency of both, and their metrics where it is known what came true."""
    answers = paired.answers
    differences = None
    if answers is not None:
        segments = _segments(paired, answers[0])
        units = paired.answered["unit"].to_numpy()
        differences = compare_answers(*answers, segments, tolerance=tolerance, units=units)
    seen = [one for one in paired.windows if one.shadow and one.version == paired.version]
    began = min((one.start for one in seen), default=paired.since)
    beside = [one for one in paired.windows if not one.shadow and one.version == paired.against and one.start >= began]
    outcomes, metrics = _metrics(paired)
    return ShadowComparison(
        model=paired.model,
        version=paired.version,
        against=paired.against,
        since=paired.since,
        until=paired.until,
        rows=paired.answered.height,
        unpaired=paired.unpaired,
        repeated=paired.repeated,
        shadow=_side(paired.version, seen),
        answered=None if paired.against is None else _side(paired.against, beside),
        differences=differences,
        outcomes=outcomes,
        metrics=metrics,
        notes=tuple(_notes(paired)),
    )


def draw_shadow(paired: Paired) -> bytes | None:
    """A PNG of both versions' answers; None where there are none to compare."""
    answers = paired.answers
    if answers is None or not (answers[0].finite & answers[1].finite).any():
        return None
    names = (f"version {paired.against} (answered)", f"version {paired.version} (shadow)")
    return draw_answers(*answers, paired.classes or (), names)


def _shadow(
    model: str, version: int | None, shadows: dict[int, pl.DataFrame], since: datetime
) -> tuple[int, pl.DataFrame]:
    chosen = version
    if chosen is None:
        chosen = max(shadows, key=lambda one: shadows[one]["at"].to_list()[-1], default=None)
    if chosen is None or chosen not in shadows:
        who = f"no shadow of {model} has" if version is None else f"version {version} of {model} has not, as a shadow,"
        raise NotFoundError(
            f"{who} predicted anything since {since:%Y-%m-%d %H:%M} that was captured",
            remedy="look further back, or begin one: `loopwright rollout shadow`",
        )
    return chosen, shadows[chosen]


def _columns(model: str, answered: pl.DataFrame, by: Sequence[str], slices: Sequence[str]) -> tuple[str, ...]:
    there = {name[len(INPUT) :] for name in answered.columns if name.startswith(INPUT)}
    for name in by:
        if answered.height and name not in there:
            raise RequestError(
                f"the column {name!r} of {model} was not captured",
                remedy="choose another: redacted columns, and those that the version does not ask for, are not kept",
            )
    return tuple(name for name in by or slices if name in there)


def _once(rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """The rows whose id nobody else has, and how many the others are: a caller may give an id twice."""
    unique = rows.filter(pl.col("prediction_id").is_unique())
    return unique, rows.height - unique.height


def _join(answered: pl.DataFrame, shadow: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of both that have the same id, in the same order."""
    ours = answered.join(shadow.select("prediction_id"), on="prediction_id", how="semi").sort("prediction_id")
    theirs = shadow.join(ours.select("prediction_id"), on="prediction_id", how="semi").sort("prediction_id")
    return ours, theirs


def _manifests(
    storage: Storage, registry: Registry, model: str, against: int | None, number: int
) -> tuple[Manifest, Manifest] | None:
    if against is None:
        return None
    return manifest_of(storage, registry, model, against), manifest_of(storage, registry, model, number)


def _segments(paired: Paired, before: Answers) -> dict[str, Segments]:
    values = before.values
    if values.ndim == 1 or values.shape[1] == 2:
        first = tenths(values if values.ndim == 1 else values[:, 1])
    else:
        first = segment(before.labels or ())
    return {ANSWER: first} | {name: segment(paired.answered[INPUT + name].to_numpy()) for name in paired.by}


def _side(version: int, windows: Sequence[WindowSummary]) -> Side:
    merged, requests = merge(windows), asked(windows)
    errors = merged.errors if merged else {}
    failed = sum(errors.values())
    low, high = wilson(failed, requests)
    return Side(
        version=version,
        requests=requests,
        errors=errors,
        error_share=Bounded(value=failed / requests if requests else 0.0, low=low, high=high),
        p50_ms=latency_quantile(merged.latency, 0.5) if merged else None,
        p99_ms=latency_quantile(merged.latency, 0.99) if merged else None,
    )


def _metrics(paired: Paired) -> tuple[int, tuple[PairedMetric, ...]]:
    """Both versions' metrics on the rows of which it is known what came true, and how many these are."""
    if paired.manifests is None or paired.manifests[0].task != paired.manifests[1].task:
        return 0, ()
    given, shadow = paired.manifests
    told = paired.shadow.with_columns(paired.answered["value"])
    theirs, ours = measure_rows(given, paired.answered), measure_rows(shadow, told)
    known = theirs.known & ours.known
    if not known.any():
        return 0, ()
    units = in_clusters(paired.answered["unit"].to_numpy().astype(str)[known])
    found = []
    for name in METRICS_OF[given.task]:
        first = prepare(given.task, name, theirs.truth[known], theirs.scores[known], threshold=given.threshold)
        second = prepare(given.task, name, ours.truth[known], ours.scores[known], threshold=shadow.threshold)
        if first is None or second is None:
            continue
        apart = compare(second, first, units, more_is_better=METRICS[name][1], confidence=0.975)
        if apart is not None:
            found.append(
                PairedMetric(
                    name=name,
                    answered=first.value(),
                    shadow=second.value(),
                    difference=apart.difference,
                    low=apart.low,
                    high=apart.high,
                )
            )
    return int(np.sum(known)), tuple(found)


def _notes(paired: Paired) -> Iterator[str]:
    if paired.against is None:
        yield "none of the rows that the shadow predicted was captured with an answer: there is nothing to compare"
    elif paired.classes is None:
        yield "one version answers with numbers, the other with classes: their answers cannot be compared"
    if paired.unpaired and paired.against is not None:
        yield f"{paired.unpaired:,} rows were answered by another version than {paired.against}, or not captured"
    if paired.repeated:
        yield f"{paired.repeated:,} rows are left out: their ids were given more than once"
