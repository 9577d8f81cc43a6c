"""The evaluation itself: candidate, champion and dummy on the same rows, measured, compared and pictured."""

from __future__ import annotations

import numpy as np
import polars as pl

from loopwright.core.codec import to_json
from loopwright.data.snapshot import load_rows
from loopwright.evaluation.bench import Bench, Contender
from loopwright.evaluation.champion import contend
from loopwright.evaluation.opened import Opened, open_bundle
from loopwright.evaluation.records import EvaluateTask, EvaluationReport
from loopwright.evaluation.reference import make_reference
from loopwright.evaluation.rows import read_history, take
from loopwright.evaluation.tasks import TASKS, choose_dummy, headline
from loopwright.ports.workspace import Workspace


def evaluate(task: EvaluateTask, workspace: Workspace) -> EvaluationReport:
    """Hold the candidate against the champion and a dummy on the test rows.

    Raises `DataError` where no test row is left, and `BundleError`, or what its own code raises, where the candidate
    cannot predict. A champion that cannot predict these rows is left out, and a note says why.
    """
    progress, declared = workspace.progress, workspace.model.declaration
    progress("opening the candidate", 0.0)
    opened = open_bundle("the candidate", task.candidate.folder, workspace)
    everything = load_rows(task.dataset, workspace.storage, workspace.folder)
    bench = _set_up(task, opened, everything, workspace)
    rows = take(everything, (name for name in everything.collect_schema() if name != declared.target), bench.places)

    progress(f"predicting {rows.height:,} test rows", 0.2)
    outputs = opened.predict(rows)
    every = np.ones(rows.height, dtype=bool)
    scores = opened.scores(bench.task, outputs, bench.classes)
    candidate = Contender(who="candidate", scores=scores, unseen=every, threshold=opened.manifest.threshold)
    dummy = choose_dummy(bench.task, bench.history, bench.metric)
    contenders = [candidate, Contender(who="dummy", scores=dummy.guess(bench.places), unseen=every)]
    notes = [f"the dummy is {dummy.name}"]
    if task.champion is not None:
        champion, said = contend(task.champion, task.candidate, rows, bench, workspace)
        contenders += [champion] if champion else []
        notes.append(said)

    progress("measuring", 0.5)
    compared = [bench.compare(candidate, other) for other in contenders[1:]]
    reference = make_reference(
        opened.manifest,
        rows,
        outputs,
        importance=task.candidate.importance,
        without=(*declared.redact, *([declared.key] if declared.key else [])),
    )
    workspace.storage.put(f"{task.folder}/reference.json", to_json(reference))
    return EvaluationReport(
        candidate=task.candidate.id,
        champion=task.champion.version if task.champion else None,
        task=bench.task.name,
        metric=bench.metric,
        rows=rows.height,
        metrics={one.who: bench.estimates(one) for one in contenders},
        comparisons=tuple(one for one in compared if one is not None),
        slices=(),
        latency_ms=opened.latency_ms(rows),
        size_mb=opened.size_mb,
        reference=f"{task.folder}/reference.json",
        dummy=dummy.name,
        notes=tuple(notes),
    )


def _set_up(task: EvaluateTask, opened: Opened, rows: pl.LazyFrame, workspace: Workspace) -> Bench:
    declared, kind = workspace.model.declaration, TASKS[opened.manifest.task]
    classes = kind.classes(opened.manifest)
    outcomes = rows.select(declared.target).collect().to_series()
    history = read_history(task.candidate.split, rows, kind.truth(outcomes, classes), len(classes))
    return Bench(
        task=kind,
        classes=classes,
        metric=headline(declared.gate, kind.name),
        history=history,
        places=history.test_places,
        confidence=declared.gate.confidence,
        seed=declared.seed,
    )
