"""The backtest: would retraining have helped? The champion's settings, fitted again up to a cut, on the rows after it.

Runs inside a job.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.bundle.read import read_encoding, read_manifest
from loopwright.data.snapshot import load_rows
from loopwright.errors import DataError, LoopwrightError
from loopwright.evaluation.bench import Bench, Contender
from loopwright.evaluation.opened import Opened, open_bundle
from loopwright.evaluation.rows import Floats, History, Mask, Places, moment, read_history, take
from loopwright.evaluation.tasks import TASKS, Scores, Task, headline
from loopwright.ports.workspace import Workspace
from loopwright.retraining.records import BacktestReport, BacktestTask, LabelJump
from loopwright.statistics.metrics import metric
from loopwright.training.fitting import make_fit
from loopwright.training.material import prepare_refit
from loopwright.training.packing import fresh_folder, pack
from loopwright.training.refitting import scaled_rounds
from loopwright.training.target import TargetPlan

FEWEST = 50
"""Rows that there must be on each side of the cut."""
TESTED = 1 / 3
"""The share of the rows which the champion has not seen that is tested on: the newest."""
COMPARED = 10_000
"""Rows of those it has seen that labels are compared with, at most: the newest."""


def backtest(task: BacktestTask, workspace: Workspace) -> BacktestReport:
    """Compare the champion with a refit of its settings; where that cannot be done the report says why."""
    try:
        return _backtest(task, workspace)
    except LoopwrightError as trouble:  # whether retraining helps is then for the run itself to find out
        return BacktestReport(version=task.version, seen=task.trained_rows, trouble=trouble.message)


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """Rows by number, the oldest first where they are ordered: learned from, tested on, unseen before the cut, seen."""

    learned: Places
    tested: Places
    before: Places
    seen: Places


def _backtest(task: BacktestTask, workspace: Workspace) -> BacktestReport:
    declared = workspace.model.declaration
    workspace.progress("opening the champion", 0.0)
    champion = open_bundle("the champion", task.folder, workspace)
    kind = TASKS[champion.manifest.task]
    classes = kind.classes(champion.manifest)
    rows = load_rows(task.dataset, workspace.storage, workspace.folder)
    outcomes = rows.select(declared.target).collect().to_series()
    truth = kind.truth(outcomes, classes)
    history = read_history(task.candidate.split, rows, outcomes, truth, len(classes), declared.key)
    parts = part(history, task)
    workspace.progress(f"fitting on {len(parts.learned):,} rows", 0.2)
    refit, learned = _refit(task, workspace, rows, parts.learned, champion)
    workspace.progress(f"predicting {len(parts.tested):,} rows", 0.7)
    bench = Bench(
        task=kind,
        classes=classes,
        metric=headline(declared.gate, kind.name),
        history=history,
        places=parts.tested,
        confidence=declared.gate.confidence,
        seed=declared.seed,
    )
    every = np.ones(len(parts.tested), dtype=bool)
    theirs = _scores(champion, rows, parts.tested, bench)
    ours = Contender(who="candidate", scores=_scores(refit, rows, parts.tested, bench), unseen=every)
    held = Contender(who="champion", scores=theirs, unseen=every)
    threshold = champion.manifest.threshold
    found = bench.compare(replace(ours, threshold=threshold), replace(held, threshold=threshold))
    report = BacktestReport(
        version=task.version, metric=bench.metric, learned=learned, seen=task.trained_rows, tested=len(parts.tested)
    )
    if found is None:
        return replace(report, trouble=f"{bench.metric} has no value on the {len(parts.tested):,} rows tested")
    before = _scores(champion, rows, parts.before, bench)
    return replace(
        report,
        difference=found.difference,
        low=found.low,
        high=found.high,
        confidence=found.confidence,
        baseline=found.baseline,
        before=metric(kind.name, bench.metric, history.truth[parts.before], before, threshold=threshold),
        jump=_jump(champion, rows, parts, bench, theirs),
    )


def part(history: History, task: BacktestTask) -> Parts:
    """Which rows are for what. In order, the newest third of the rows that the champion has not seen is tested on, and
    the refit learns from all before whose labels were known by then; by a hash both go by the champion's own split.

    Raises `DataError` where there are too few.
    """
    if history.moments is None:
        parts = _by_hash(history, task.most)
    else:
        parts = _in_order(history, history.moments, task)
    if min(len(parts.learned), len(parts.tested)) < FEWEST:
        raise DataError(f"{len(parts.tested):,} rows to test on and {len(parts.learned):,} to learn from are too few")
    return parts


def _by_hash(history: History, most: int) -> Parts:
    nothing = np.array([], dtype=np.int64)
    learned = np.flatnonzero(history.train | history.validation)
    return Parts(learned=learned[-most:], tested=history.test_places[-most:], before=nothing, seen=nothing)


def _in_order(history: History, moments: Floats, task: BacktestTask) -> Parts:
    if task.trained_until is None:
        raise DataError("it is not known which rows the champion has seen")
    until = moment(task.trained_until)
    counted = task.candidate.split.kind == "rows"
    known = ~np.isnan(history.truth) & ~np.isnan(moments)
    unseen = known & ((moments >= until) if counted else (moments > until))
    fresh = _ordered(unseen, moments)
    if len(fresh) < 2 * FEWEST:
        raise DataError(f"only {len(fresh):,} labelled rows are newer than those that the champion has seen")
    cut = moments[fresh[-max(FEWEST, round(len(fresh) * TESTED))]]
    learnable = known & (moments < cut) & (moments + (history.delay or 0.0) <= cut)
    return Parts(
        learned=_ordered(learnable, moments)[-task.most :],
        tested=_ordered(unseen & (moments >= cut), moments)[-task.most :],
        before=_ordered(unseen & (moments < cut), moments)[-task.most :],
        seen=_ordered(known & ~unseen, moments)[-COMPARED:],
    )


def _ordered(chosen: Mask, moments: Floats) -> Places:
    places = np.flatnonzero(chosen)
    return places[np.argsort(moments[places], kind="stable")]


def _refit(
    task: BacktestTask, workspace: Workspace, rows: pl.LazyFrame, places: Places, champion: Opened
) -> tuple[Opened, int]:
    """The champion's settings fitted on the rows at `places`, opened as a bundle, and how many rows it learned from."""
    manifest, candidate = champion.manifest, task.candidate
    target = TargetPlan(task=manifest.task, classes=manifest.classes, positive=manifest.positive, note="")
    frame = take(rows, list(rows.collect_schema()), places).lazy()
    encoding = read_encoding(champion.folder)
    material = prepare_refit(workspace.model, task.dataset, frame, candidate, target, encoding)
    learned = len(material.data.y)
    rounds = None if candidate.rounds is None else scaled_rounds(candidate.rounds, candidate.rows, learned)
    fitted = make_fit(workspace.model, material.data, rounds=rounds)(candidate.params)
    folder = fresh_folder(workspace.folder / "backtest")
    pack(folder, workspace, material, fitted, threshold=manifest.threshold, lineage={}, onnx=False)
    predictor = workspace.load_predictor(folder, threads=0)
    opened = Opened(
        name="the refit",
        folder=folder,
        manifest=read_manifest(folder),
        predictor=predictor,
        load=workspace.load_predictor,
    )
    return opened, learned


def _scores(opened: Opened, rows: pl.LazyFrame, places: Places, bench: Bench) -> Scores:
    if not len(places):
        return np.zeros((0, len(bench.classes)) if bench.task.name == "multiclass" else 0)
    names = [one for one in opened.inputs if one in rows.collect_schema()]
    return opened.scores(bench.task, opened.predict(take(rows, names, places)), bench.classes)


def _jump(champion: Opened, rows: pl.LazyFrame, parts: Parts, bench: Bench, scores: Scores) -> LabelJump | None:
    """How labels and predictions (`scores`) part on the rows tested, beside those that the champion has seen."""
    if not len(parts.seen):
        return None
    earlier = _scores(champion, rows, parts.seen, bench)
    return measure_jump(bench.task, bench.truth, scores, bench.history.truth[parts.seen], earlier)


def measure_jump(task: Task, truth: Floats, scores: Scores, earlier_truth: Floats, earlier_scores: Scores) -> LabelJump:
    """The figures of `LabelJump`; see there. Truth is [n] values or places of classes, scores as metrics take them."""
    numbers = task.name == "regression"
    labels, guesses = _as_columns(numbers, truth, scores)
    earlier_labels, earlier_guesses = _as_columns(numbers, earlier_truth, earlier_scores)
    moved = (labels - guesses).mean(axis=0) - (earlier_labels - earlier_guesses).mean(axis=0)
    spread = float(earlier_labels.std()) if numbers else 1.0
    return LabelJump(
        rows=len(truth),
        earlier=len(earlier_truth),
        classes=not numbers,
        unexplained=float(moved[np.argmax(np.abs(moved))]) / (spread or 1.0),
        error=float(np.sqrt(np.mean((labels - guesses) ** 2))),
        earlier_error=float(np.sqrt(np.mean((earlier_labels - earlier_guesses) ** 2))),
        agreement=_correlation(labels, guesses),
        earlier_agreement=_correlation(earlier_labels, earlier_guesses),
    )


def _as_columns(numbers: bool, truth: Floats, scores: Scores) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Labels and predictions as [n, k]: one column for numbers and two classes, one a class for more."""
    guesses = scores.reshape(len(scores), -1)
    if numbers or guesses.shape[1] == 1:
        return truth[:, None], guesses
    return (truth[:, None] == np.arange(guesses.shape[1])).astype(np.float64), guesses


def _correlation(labels: NDArray[np.float64], guesses: NDArray[np.float64]) -> float | None:
    labels, guesses = labels - labels.mean(axis=0), guesses - guesses.mean(axis=0)
    spread = float(np.sqrt((labels**2).sum() * (guesses**2).sum()))
    return float((labels * guesses).sum()) / spread if spread > 0 else None
