"""The evaluation itself: candidate, champion and dummy on the same rows, measured, compared and pictured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from loopwright.bundle.outputs import Outputs
from loopwright.core.codec import to_json
from loopwright.data.snapshot import load_rows
from loopwright.evaluation.bench import Bench, Contender
from loopwright.evaluation.champion import contend
from loopwright.evaluation.estimator import keep_loss_model, keep_scores
from loopwright.evaluation.fairness import group_rates
from loopwright.evaluation.judged import judged_rows, uses
from loopwright.evaluation.opened import Opened, open_bundle
from loopwright.evaluation.pictures import draw_pictures
from loopwright.evaluation.records import Comparison, Estimate, EvaluateTask, EvaluationReport, JudgedRows
from loopwright.evaluation.reference import make_reference
from loopwright.evaluation.rows import read_history, take
from loopwright.evaluation.slices import slice_reports
from loopwright.evaluation.tasks import TASKS, choose_dummy, headline
from loopwright.policies.gate import Gate
from loopwright.ports.workspace import Workspace


def evaluate(task: EvaluateTask, workspace: Workspace) -> EvaluationReport:
    """Hold the candidate against the champion and a dummy on the test rows; leave the reference and the pictures.

    Raises `DataError` where no test row is left, and `BundleError`, or what its own code raises, where the candidate
    cannot predict. A champion that cannot be compared is left out, and a note says why.
    """
    workspace.progress("opening the candidate", 0.0)
    opened = open_bundle("the candidate", task.candidate.folder, workspace)
    bench, rows = _set_up(task, opened, workspace)
    workspace.progress(f"predicting {rows.height:,} test rows", 0.2)
    line_up = _line_up(task, opened, bench, rows, workspace)
    workspace.progress("measuring", 0.5)
    slices, sliced = slice_reports(bench, rows, workspace.model.declaration.slices, line_up.candidate, line_up.champion)
    metrics: dict[str, dict[str, Estimate]] = {one.who: bench.estimates(one) for one in line_up.everyone}
    compared = [bench.compare(line_up.candidate, other) for other in (*line_up.others, *line_up.anchors)]
    comparisons = tuple(one for one in compared if one is not None)
    latency = opened.latency_ms(rows)
    gate, (judged, used) = workspace.model.declaration.gate, _judged(task, bench, line_up)
    workspace.progress("drawing pictures", 0.8)
    return EvaluationReport(
        candidate=task.candidate.id,
        champion=task.champion.version if task.champion else None,
        task=bench.task.name,
        metric=bench.metric,
        rows=rows.height,
        metrics=metrics,
        comparisons=comparisons,
        slices=tuple(slices),
        latency_ms=latency,
        size_mb=opened.size_mb,
        reference=_keep_reference(task, opened, rows, line_up.outputs, workspace),
        dummy=line_up.dummy,
        dummy_persists=line_up.persists,
        incomparable=_incomparable(task, bench, line_up, comparisons),
        pictures=_keep_pictures(task, bench, line_up, workspace),
        notes=(*line_up.notes, *sliced, *bench.gaps(line_up.candidate)),
        scores=_keep_scores(task, bench, line_up, workspace),
        loss_model=_keep_loss_model(task, opened, rows, bench, line_up, workspace),
        also=_also(bench, gate, line_up),
        groups=group_rates(bench, rows, gate, line_up.candidate),
        judged=judged,
        uses=used,
        training_seconds=task.candidate.seconds,
        training_cores=task.candidate.cores,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _LineUp:
    """Who is measured, and the anchor, if any, which is only compared.

    `outputs` are the candidate's; `dummy` and `incomparable` are those of the report.
    """

    candidate: Contender
    outputs: Outputs
    others: tuple[Contender, ...]
    anchors: tuple[Contender, ...]
    dummy: str
    persists: bool
    incomparable: str
    notes: tuple[str, ...]

    @property
    def everyone(self) -> tuple[Contender, ...]:
        return (self.candidate, *self.others)

    @property
    def champion(self) -> Contender | None:
        return next((one for one in self.others if one.who == "champion"), None)


def _set_up(task: EvaluateTask, opened: Opened, workspace: Workspace) -> tuple[Bench, pl.DataFrame]:
    """The bench, and the test rows with all their columns but the target, in the bench's order."""
    declared, kind = workspace.model.declaration, TASKS[opened.manifest.task]
    everything = load_rows(task.dataset, workspace.storage, workspace.folder)
    classes = kind.classes(opened.manifest)
    outcomes = everything.select(declared.target).collect().to_series()
    history = read_history(
        task.candidate.split, everything, outcomes, kind.truth(outcomes, classes), len(classes), declared.key
    )
    bench = Bench(
        task=kind,
        classes=classes,
        metric=headline(declared.gate, kind.name),
        history=history,
        places=history.test_places,
        confidence=declared.gate.confidence,
        seed=declared.seed,
        margin=declared.gate.margin,
    )
    names = [name for name in everything.collect_schema() if name != declared.target]
    return bench, take(everything, names, bench.places)


def _line_up(task: EvaluateTask, opened: Opened, bench: Bench, rows: pl.DataFrame, workspace: Workspace) -> _LineUp:
    every = np.ones(rows.height, dtype=bool)
    outputs = opened.predict(rows)
    scores = opened.scores(bench.task, outputs, bench.classes)
    dummy = choose_dummy(bench.task, bench.history, bench.dummy_metric)
    others = [Contender(who="dummy", scores=dummy.guess(bench.places), unseen=every)]
    champion, said = None, ""
    anchor, told = None, ""
    if task.champion is not None:
        champion, said = contend("champion", task.champion, task.candidate, rows, bench, workspace)
        others += [champion] if champion is not None else []
    if task.champion is not None and task.champion.anchor is not None:
        anchor, told = contend("anchor", task.champion.anchor, task.candidate, rows, bench, workspace)
    return _LineUp(
        candidate=Contender(who="candidate", scores=scores, unseen=every, threshold=opened.manifest.threshold),
        outputs=outputs,
        others=tuple(others),
        anchors=(anchor,) if anchor is not None else (),
        dummy=dummy.name,
        persists=dummy.persists,
        incomparable=said if champion is None else "",
        notes=tuple(filter(None, (f"the dummy says {dummy.name}", said, told))),
    )


def _also(bench: Bench, gate: Gate, line_up: _LineUp) -> tuple[Comparison, ...]:
    if line_up.champion is None:
        return ()
    found = [bench.compare(line_up.candidate, line_up.champion, metric) for metric in gate.also]
    return tuple(one for one in found if one is not None)


def _judged(task: EvaluateTask, bench: Bench, line_up: _LineUp) -> tuple[JudgedRows | None, float]:
    if line_up.champion is None:
        return None, 1.0
    moments, places = bench.history.moments, bench.places[line_up.champion.unseen]
    now = judged_rows(task.candidate.split, moments, places)
    return now, uses(now, task.judged, moments, places)


def _incomparable(task: EvaluateTask, bench: Bench, line_up: _LineUp, comparisons: tuple[Comparison, ...]) -> str:
    if task.champion is None or any(one.against == "champion" for one in comparisons):
        return ""
    unseen = f"{bench.metric} has no value on the rows it has not seen"
    return line_up.incomparable or f"the champion (version {task.champion.version}) cannot be compared: {unseen}"


def _keep_reference(
    task: EvaluateTask, opened: Opened, rows: pl.DataFrame, outputs: Outputs, workspace: Workspace
) -> str:
    declared, key = workspace.model.declaration, f"{task.folder}/reference.json"
    without = (*declared.redact, *([declared.key] if declared.key else []))
    reference = make_reference(
        opened.manifest, rows, outputs, without=without, time=declared.time, drift=declared.drift
    )
    workspace.storage.put(key, to_json(reference))
    return key


def _keep_scores(task: EvaluateTask, bench: Bench, line_up: _LineUp, workspace: Workspace) -> str:
    declared = workspace.model.declaration
    if declared.target in declared.redact:
        return ""
    key = f"{task.folder}/scores.parquet"
    return keep_scores(workspace.storage, key, line_up.candidate.scores, bench.truth, declared.seed)


def _keep_loss_model(
    task: EvaluateTask, opened: Opened, rows: pl.DataFrame, bench: Bench, line_up: _LineUp, workspace: Workspace
) -> str:
    declared = workspace.model.declaration
    if bench.task.name != "regression" or declared.target in declared.redact:
        return ""
    without = (*declared.redact, *([declared.key] if declared.key else []))
    return keep_loss_model(
        workspace.storage,
        f"{task.folder}/losses.json",
        opened.manifest,
        rows,
        line_up.candidate.scores,
        bench.truth,
        without=without,
        seed=declared.seed,
    )


def _keep_pictures(task: EvaluateTask, bench: Bench, line_up: _LineUp, workspace: Workspace) -> dict[str, str]:
    pictures = draw_pictures(bench, line_up.candidate, line_up.champion, task.candidate.importance)
    for name, png in pictures.items():
        workspace.storage.put(f"{task.folder}/pictures/{name}.png", png)
    return {name: f"{task.folder}/pictures/{name}.png" for name in pictures}
