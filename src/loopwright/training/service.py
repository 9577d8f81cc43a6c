"""The training room's verbs: train a candidate, and refit one that passed its gate. Both run inside a job."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import lightgbm

from loopwright.bundle.read import bundle_digest
from loopwright.core.cores import available_cores
from loopwright.data.snapshot import load_rows
from loopwright.declare import Model
from loopwright.policies.tasks import DEFAULT_METRIC
from loopwright.ports.storage import upload_folder
from loopwright.ports.workspace import Workspace
from loopwright.training.fitting import ROUNDS, Fitted, Report, make_fit
from loopwright.training.importance import gain_importance, permuted_importance
from loopwright.training.material import Material, prepare
from loopwright.training.packing import add_papers, fresh_folder, pack
from loopwright.training.records import Candidate, TrainTask, Trial
from loopwright.training.refitting import refit
from loopwright.training.scoring import Judgement, judge, suspicion
from loopwright.training.tuning import Tuning

__all__ = ["refit", "train"]


def train(task: TrainTask, workspace: Workspace) -> Candidate:
    """Make a candidate of the rows and put its bundle into `task.folder`.

    Raises `DataError`, `DeclarationError`, `FeatureError`, `TrainingError` and `StorageError`.
    """
    model, started = workspace.model, workspace.clock.now()
    workspace.progress("reading rows", 0.0)
    material = prepare(model, task.dataset, load_rows(task.dataset, workspace.storage, workspace.folder))
    metric = model.declaration.gate.metric or DEFAULT_METRIC[material.data.task]
    workspace.progress(f"fitting on {len(material.data.y):,} rows", 0.2)
    fitted, trials = _fit(task, workspace, material, metric)
    workspace.progress("writing the bundle", 0.9)
    judgement = judge(metric, model.declaration.threshold, material.data, fitted)
    folder = fresh_folder(workspace.folder / "candidate")
    lineage = {
        "run": task.run_id,
        "candidate": task.candidate_id,
        "dataset": task.dataset.digest,
        "seed": str(model.declaration.seed),
    }
    _, served = pack(
        folder, workspace, material, fitted, threshold=judgement.threshold, lineage=lineage, onnx=task.onnx
    )
    candidate = _candidate(model, task, material, fitted, judgement, metric)
    notes = (*candidate.notes, *_fit_notes(fitted, trials), *served)
    candidate = replace(candidate, trials=trials, notes=notes)
    add_papers(folder, candidate, {} if judgement.score is None else {f"{metric} (validation)": judgement.score})
    upload_folder(workspace.storage, task.folder, folder)
    workspace.progress("trained", 1.0)
    seconds = (workspace.clock.now() - started) / timedelta(seconds=1)
    return replace(candidate, digest=bundle_digest(folder), seconds=seconds, cores=available_cores())


def _fit(task: TrainTask, workspace: Workspace, material: Material, metric: str) -> tuple[Fitted, tuple[Trial, ...]]:
    model = workspace.model
    fit = make_fit(workspace.model, material.data)
    if model.tuning is None:
        return fit({}, _reporter(workspace)), ()
    tuning = Tuning(
        model.tuning,
        fit=fit,
        score=lambda fitted: judge(metric, model.declaration.threshold, material.data, fitted).score,
        metric=metric,
        seed=model.declaration.seed,
        clock=workspace.clock,
        progress=lambda text, done: workspace.progress(text, 0.2 + 0.7 * done),
    )
    return tuning.run(task.warm_start)


def _reporter(workspace: Workspace) -> Report:
    def report(step: int, loss: float) -> None:
        workspace.progress(f"boosting: round {step + 1}, validation loss {loss:.5g}", 0.2 + 0.7 * step / ROUNDS)

    return report


def _candidate(
    model: Model, task: TrainTask, material: Material, fitted: Fitted, judgement: Judgement, metric: str
) -> Candidate:
    return Candidate(
        id=task.candidate_id,
        model=model.name,
        task=material.data.task,
        folder=task.folder,
        digest="",
        metric=metric,
        params=fitted.params,
        split=material.split,
        score=judgement.score,
        threshold=judgement.threshold,
        features=tuple(column.name for column in material.encoding.columns),
        importance=_importance(material, fitted),
        rows=len(material.data.y),
        trained_until=material.trained_until,
        seconds=0.0,
        notes=(*material.notes, *suspicion(material.data, judgement)),
        rounds=fitted.rounds,
        watched=material.data.watched,
    )


def _importance(material: Material, fitted: Fitted) -> dict[str, float]:
    if isinstance(fitted.model, lightgbm.Booster):
        return gain_importance(material.encoding, fitted.model)
    return permuted_importance(material.encoding, fitted.score, material.data.held_out[0], material.data.seed)


def _fit_notes(fitted: Fitted, trials: tuple[Trial, ...]) -> tuple[str, ...]:
    notes = [] if fitted.rounds is None else [f"boosting: {fitted.rounds} rounds are best on the validation rows"]
    if trials:
        states = {state: sum(one.state == state for one in trials) for state in ("complete", "pruned", "failed")}
        told = ", ".join(f"{count} {state}" for state, count in states.items() if count)
        notes.append(f"tuned in {len(trials)} trials ({told}); the best: {fitted.params}")
    return tuple(notes)
