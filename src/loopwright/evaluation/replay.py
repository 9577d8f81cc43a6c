"""Replay: what the candidate would have answered to the champion's last captured requests, before any traffic."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl

from loopwright.bundle.outputs import Outputs
from loopwright.data.captured_rows import LastRows, has_captures, last_rows
from loopwright.declare import Declaration
from loopwright.errors import LoopwrightError, RequestError
from loopwright.evaluation.answers import captured_outputs, read_answers, shared_classes
from loopwright.evaluation.differences import Answers, Segments, compare_answers, segment, tenths
from loopwright.evaluation.latency import ASKED, compare_latency, one_by_one, take_turns
from loopwright.evaluation.opened import Opened, open_bundle
from loopwright.evaluation.records import Champion
from loopwright.evaluation.replay_pictures import draw_answers
from loopwright.evaluation.replay_records import LatencyComparison, ReplayError, ReplayReport, ReplayTask
from loopwright.policies.gate import Replay
from loopwright.ports.storage import Storage
from loopwright.ports.workspace import Workspace
from loopwright.statistics.arrays import Bools
from loopwright.traffic.predictions import INPUT

MOST_ERRORS = 20
"""Reasons for rows without an answer that are told apart."""

ANSWER = "the champion's answer"
"""The segments by what the champion answered: tenths of numbers and probabilities, or the class that it called."""


def why_not(policy: Replay, champion: Champion | None, storage: Storage, endpoint: str, until: datetime) -> str:
    """Why there is nothing to replay, as can be told without reading it; empty where there may be something."""
    if not policy.rows:
        return "it is turned off"
    if champion is None:
        return "there is no champion whose requests could be replayed"
    if not has_captures(storage, endpoint, until):
        return "no request was captured in the last days"
    return ""


def replay(task: ReplayTask, workspace: Workspace) -> ReplayReport:
    """Put captured rows to the candidate and compare its answers with those given; leave a picture.

    Raises `BundleError` where either bundle cannot be opened; what the candidate cannot answer is in the report.
    """
    declared = workspace.model.declaration
    workspace.progress("opening candidate and champion", 0.0)
    candidate = open_bundle("the candidate", task.candidate.folder, workspace)
    champion = open_bundle(f"the champion (version {task.champion.version})", task.champion.folder, workspace)
    workspace.progress("reading captured requests", 0.2)
    known = [name for name in candidate.inputs if name in champion.inputs]
    last = last_rows(
        workspace.storage,
        task.endpoint,
        version=task.champion.version,
        inputs=known,
        rows=declared.replay.rows,
        until=task.until,
        scratch=workspace.folder,
    )
    report = ReplayReport(candidate=task.candidate.id, champion=task.champion.version)
    if not last.frame.height:
        return _nothing(report, last)
    scene = _Scene(declared, candidate, champion, last.frame)
    moments = last.frame["at"].to_list()
    report = replace(
        report,
        rows=last.frame.height,
        since=moments[0],
        until=moments[-1],
        unheard=tuple(name for name in scene.strangers if name in declared.replay.sent),
    )
    if errors := scene.missing():
        return replace(report, failed=report.rows, errors=errors)
    return _replayed(scene, report, task, workspace)


def _nothing(report: ReplayReport, last: LastRows) -> ReplayReport:
    if not last.lacking:
        return replace(report, skipped=f"no captured request was answered by version {report.champion}")
    names = ", ".join(repr(name) for name in last.lacking)
    return replace(
        report, impossible=f"{names} {'is' if len(last.lacking) == 1 else 'are'} redacted in what is captured"
    )


@dataclass(frozen=True, slots=True)
class _Scene:
    """Captured rows, and who shall answer them again."""

    declared: Declaration
    candidate: Opened
    champion: Opened
    captured: pl.DataFrame

    @property
    def strangers(self) -> list[str]:
        """Columns that the candidate cannot do without and the champion does not ask for: they are never captured."""
        needed = [one.name for one in self.candidate.manifest.signature.inputs if one.required]
        return [name for name in needed if name not in self.champion.inputs]

    @property
    def rows(self) -> pl.DataFrame:
        """The raw rows as far as they were captured; what callers are said to send besides is empty."""
        names = [name for name in self.captured.columns if name.startswith(INPUT)]
        raw = self.captured.select(pl.col(name).alias(name[len(INPUT) :]) for name in names)
        return raw.with_columns(pl.lit(None).alias(name) for name in self.strangers if name not in raw.columns)

    def missing(self) -> tuple[ReplayError, ...]:
        """What no captured row has."""
        text = "the column {!r} is missing: the champion does not ask for it, so nobody may be sending it"
        gone = [name for name in self.strangers if name not in self.declared.replay.sent]
        return tuple(ReplayError(column=name, message=text.format(name), rows=self.captured.height) for name in gone)


def _replayed(scene: _Scene, report: ReplayReport, task: ReplayTask, workspace: Workspace) -> ReplayReport:
    workspace.progress(f"replaying {report.rows:,} rows", 0.3)
    parts = list(_answers(scene.candidate, scene.rows))
    classes = shared_classes(scene.champion.manifest, scene.candidate.manifest)
    answered = np.concatenate([np.full(rows, not isinstance(part, LoopwrightError)) for rows, part in parts])
    faults = [part for _, part in parts if isinstance(part, LoopwrightError)]
    pair = None if classes is None else _pair(scene, classes, answered, parts)
    lost = 0 if pair is None else int((pair[0].finite & answered & ~pair[1].finite).sum())
    workspace.progress("measuring latency", 0.7)
    timed = _timed(scene, answered, workspace)
    report = replace(
        report,
        failed=len(faults) + lost,
        errors=_errors(faults, lost),
        latency=timed,
        notes=tuple(_notes(comparable=pair is not None, timed=timed is not None)),
    )
    if pair is None:
        return report
    workspace.progress("comparing the answers", 0.9)
    differences = compare_answers(
        *pair,
        _segments(scene, pair[0]),
        tolerance=scene.declared.replay.tolerance,
        units=scene.captured["unit"].to_numpy(),
    )
    if differences is None:
        return report
    key = f"{task.folder}/pictures/replay.png"
    workspace.storage.put(key, draw_answers(*pair, classes or (), ("champion", "candidate")))
    return replace(report, differences=differences, pictures={"replay": key})


def _notes(*, comparable: bool, timed: bool) -> Iterator[str]:
    if not comparable:
        yield "one version answers with numbers, the other with classes: their answers cannot be compared"
    if not timed:
        yield "the latency of both could not be measured: no captured row has all that both need"


def _answers(opened: Opened, rows: pl.DataFrame) -> Iterator[tuple[int, Outputs | LoopwrightError]]:
    """Outputs of so many rows after the other; where they fail together they are halved, down to the rows to blame."""
    try:
        yield rows.height, opened.predict(rows)
    except LoopwrightError as error:
        if rows.height == 1:
            yield 1, error
        else:
            half = rows.height // 2
            yield from _answers(opened, rows[:half])
            yield from _answers(opened, rows[half:])


def _pair(
    scene: _Scene, classes: tuple[str, ...], answered: Bools, parts: Sequence[tuple[int, Outputs | LoopwrightError]]
) -> tuple[Answers, Answers]:
    """What the champion answered then, and the candidate now: NaN where it does not."""
    before = read_answers(scene.champion.manifest, captured_outputs(scene.captured), classes)
    values, labels = np.full(before.values.shape, np.nan), np.full(len(answered), "", dtype=object)
    done = [read_answers(scene.candidate.manifest, part, classes) for _, part in parts if isinstance(part, dict)]
    if done:
        values[answered] = np.concatenate([one.values for one in done])
        labels[answered] = np.concatenate(
            [np.array(one.labels or ("",) * len(one.values), dtype=object) for one in done]
        )
    return before, Answers(values=values, labels=None if before.labels is None else tuple(labels))


def _errors(faults: Sequence[LoopwrightError], lost: int) -> tuple[ReplayError, ...]:
    """Rows without an answer by the column to blame, the commonest first."""
    found: dict[str, ReplayError] = {}
    for fault in faults:
        named = re.match(r"the column '(.+?)' ", fault.message) if isinstance(fault, RequestError) else None
        column = named[1] if named else None
        message = fault.message.replace("row 1 of 1", "a row")
        one = found.get(column or message, ReplayError(column=column, message=message, rows=0))
        found[column or message] = replace(one, rows=one.rows + 1)
    if lost:
        found[""] = ReplayError(column=None, message="what it predicts is no finite number", rows=lost)
    return tuple(sorted(found.values(), key=lambda one: -one.rows)[:MOST_ERRORS])


def _segments(scene: _Scene, before: Answers) -> dict[str, Segments]:
    values = before.values
    if values.ndim == 1:
        found = {ANSWER: tenths(values)}
    elif values.shape[1] == 2:
        found = {ANSWER: tenths(values[:, 1])}
    else:
        found = {ANSWER: segment(before.labels or ())}
    there = [name for name in scene.declared.slices if INPUT + name in scene.captured.columns]
    return found | {name: segment(scene.captured[INPUT + name].to_numpy()) for name in there}


def _timed(scene: _Scene, answered: Bools, workspace: Workspace) -> LatencyComparison | None:
    """Of rows spread over all that both can answer; the champion's own columns are all needed for it."""
    rows = scene.rows.filter(pl.Series(answered))
    if not rows.height or not set(scene.champion.inputs) <= set(rows.columns):
        return None
    asked = rows.gather_every(max(1, rows.height // ASKED)).head(ASKED)
    ours, theirs = (workspace.load_predictor(one.folder, threads=1) for one in (scene.candidate, scene.champion))
    return compare_latency(*take_turns(ours, theirs, one_by_one(asked.columns, asked.to_dicts())))
