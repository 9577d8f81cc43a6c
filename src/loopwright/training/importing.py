"""A model trained elsewhere becomes a candidate: wrapped as a bundle, it goes the way of a trained one from there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.bundle.frames import frame_columns
from loopwright.bundle.outputs import task_signature
from loopwright.bundle.read import bundle_digest
from loopwright.bundle.records import Encoding, Manifest
from loopwright.bundle.write import write_bundle
from loopwright.data.snapshot import load_rows
from loopwright.declare import Declaration
from loopwright.errors import BundleError
from loopwright.features.matrix import make_encoding
from loopwright.policies.tasks import DEFAULT_METRIC
from loopwright.ports.predictor import Predictor
from loopwright.ports.storage import fetch_folder, upload_folder
from loopwright.ports.workspace import Workspace
from loopwright.statistics.metrics import metric
from loopwright.training.foreign import Foreign, open_foreign
from loopwright.training.foreign_inputs import matrix_inputs, table_inputs
from loopwright.training.importance import shares
from loopwright.training.material import reached
from loopwright.training.packing import add_papers, copy_code, fresh_folder
from loopwright.training.records import Candidate, ImportTask, SplitPlan
from loopwright.training.scoring import Judgement
from loopwright.training.split import assign, split_rows, test_after
from loopwright.training.target import TargetPlan, plan_target, sorted_classes, target_values
from loopwright.training.threshold import choose_threshold

SAMPLE = 5000
"""Validation rows that are looked at for the threshold, the score and the importance."""


def import_model(task: ImportTask, workspace: Workspace) -> Candidate:
    """Wrap the imported model as a bundle in `task.folder`, and see how it does on the validation rows.

    Raises `BundleError` where it cannot be opened, wants columns that are not there, or cannot predict; else what
    `train` raises.
    """
    model, started = workspace.model, workspace.clock.now()
    workspace.progress("reading rows", 0.0)
    rows = load_rows(task.dataset, workspace.storage, workspace.folder)
    targets = rows.select(model.declaration.target).collect().to_series()
    plan = plan_target(model.declaration, targets)
    split, told = _split(task, model.declaration, rows)
    sample = _sample(split, rows, targets, plan)
    workspace.progress(f"opening {task.imported.name}", 0.2)
    path = fetch_folder(workspace.storage, task.imported.folder, workspace.folder) / task.imported.name
    foreign = open_foreign(path, task.imported.kind, classify=plan.task != "regression")
    draft, encoding = _draft(task, workspace, rows, foreign, plan, targets)
    folder = fresh_folder(workspace.folder / "candidate")
    if draft.uses_features:
        copy_code(workspace, folder)
    workspace.progress("predicting validation rows", 0.5)
    predictor, notes = _write(folder, draft, encoding, foreign, sample, workspace)
    judgement = _judge(model.declaration, plan, draft, predictor, sample)
    manifest = replace(draft, threshold=judgement.threshold)
    write_bundle(folder, manifest, encoding=encoding, requirements=foreign.requirements)
    importance = _importance(predictor, sample, draft, model.declaration.seed)
    candidate = _candidate(task, manifest, split, judgement, importance, _metric(model.declaration, plan))
    origin = f"{task.imported.name} was trained elsewhere ({task.imported.kind})"
    candidate = replace(candidate, notes=(plan.note, origin, told, *notes))
    scores = {} if candidate.score is None else {f"{candidate.metric} (validation)": candidate.score}
    add_papers(folder, candidate, scores)
    upload_folder(workspace.storage, task.folder, folder)
    seconds = (workspace.clock.now() - started) / timedelta(seconds=1)
    return replace(candidate, digest=bundle_digest(folder), seconds=seconds)


def _split(task: ImportTask, declared: Declaration, rows: pl.LazyFrame) -> tuple[SplitPlan, str]:
    """The split, with no test row that the model is known to have seen; and what is known of that."""
    split, _ = split_rows(declared, rows)
    until = task.imported.trained_until
    if until is not None:
        return test_after(
            split, rows, until
        ), f"it is said to have been trained on rows up to {until}: later ones test it"
    return split, "which rows it was trained on is not known: where it has seen test rows, its figures flatter it"


def _draft(
    task: ImportTask,
    workspace: Workspace,
    rows: pl.LazyFrame,
    foreign: Foreign,
    plan: TargetPlan,
    targets: pl.Series,
) -> tuple[Manifest, Encoding]:
    model = workspace.model
    classes = () if plan.task == "regression" else sorted_classes(targets)
    if set(foreign.classes) >= set(classes):
        classes = foreign.classes
    if foreign.runtime == "pyfunc":
        inputs, encoding = table_inputs(model, rows, foreign, task.dataset.kinds), make_encoding([])
    else:
        inputs, encoding = matrix_inputs(model, rows, foreign, task.dataset.kinds)
    uses_features = model.features_function is not None and foreign.runtime != "pyfunc"
    known = targets.is_not_null().to_numpy()
    draft = Manifest(
        model=model.name,
        task=plan.task,
        runtime=foreign.runtime,
        signature=task_signature(plan.task, inputs, classes),
        files={},
        created=workspace.clock.now(),
        target=model.declaration.target,
        key=model.declaration.key,
        classes=classes,
        positive=plan.positive,
        module=workspace.module if uses_features else None,
        uses_features=uses_features,
        # It was there before the newest row came in, or together with it: later rows it cannot have seen.
        trained_until=task.imported.trained_until or reached(model.declaration, rows, known),
        redact=model.declaration.redact,
        lineage={"run": task.run_id, "candidate": task.candidate_id, "dataset": task.dataset.digest},
    )
    return draft, encoding


def _sample(split: SplitPlan, rows: pl.LazyFrame, targets: pl.Series, plan: TargetPlan) -> pl.DataFrame:
    truth = target_values(plan.task, plan.classes, targets)
    places = (pl.Series(~np.isnan(truth)) & (assign(split, rows) == "validation")).arg_true()
    chosen = places.gather_every(max(1, len(places) // SAMPLE))
    return rows.with_row_index("_place").filter(pl.col("_place").is_in(chosen.implode())).drop("_place").collect()


def _write(
    folder: Path, draft: Manifest, encoding: Encoding, foreign: Foreign, sample: pl.DataFrame, workspace: Workspace
) -> tuple[Predictor, tuple[str, ...]]:
    """The bundle written and opened, in a form in which it predicts; and what is to be said of it."""

    def written(contents: dict[str, bytes]) -> Predictor:
        write_bundle(folder, draft, encoding=encoding, contents=contents, requirements=foreign.requirements)
        predictor = workspace.load_predictor(folder)
        predictor.predict(_columns(sample.head(10), draft))
        return predictor

    try:
        return written(foreign.contents), foreign.notes
    except BundleError:
        if not foreign.fallback:
            raise
        return written(foreign.contents | foreign.fallback), ()


def _judge(
    declared: Declaration, plan: TargetPlan, manifest: Manifest, predictor: Predictor, sample: pl.DataFrame
) -> Judgement:
    """How it does on the validation rows, with the threshold they suggest."""
    truth = target_values(plan.task, plan.classes, sample[declared.target])
    answers = _answers(predictor.predict(_columns(sample, manifest)))
    threshold = choose_threshold(declared.threshold, truth.astype(int), answers) if plan.task == "binary" else 0.5
    score = metric(plan.task, _metric(declared, plan), truth, answers, threshold=threshold)
    return Judgement(answers=answers, threshold=threshold, score=score)


def _metric(declared: Declaration, plan: TargetPlan) -> str:
    return declared.gate.metric or DEFAULT_METRIC[plan.task]


def _candidate(
    task: ImportTask,
    manifest: Manifest,
    split: SplitPlan,
    judgement: Judgement,
    importance: dict[str, float],
    metric: str,
) -> Candidate:
    return Candidate(
        id=task.candidate_id,
        model=manifest.model,
        task=manifest.task,
        folder=task.folder,
        digest="",
        metric=metric,
        params={},
        split=split,
        score=judgement.score,
        threshold=judgement.threshold,
        features=tuple(one.name for one in manifest.signature.inputs),
        importance=importance,
        rows=0,
        trained_until=manifest.trained_until,
        seconds=0.0,
        origin="imported",
    )


def _answers(outputs: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    """What metrics take of a bundle's outputs."""
    name = next(name for name in ("prediction", "probability", "probabilities") if name in outputs)
    return outputs[name].astype(np.float64)


def _importance(predictor: Predictor, sample: pl.DataFrame, manifest: Manifest, seed: int) -> dict[str, float]:
    """How far the answers move when an input is shuffled: what do they hang on?"""
    columns = _columns(sample, manifest)
    usual = _answers(predictor.predict(columns))
    order = np.random.default_rng(seed).permutation(sample.height)
    moved = {
        name: float(np.abs(_answers(predictor.predict({**columns, name: values[order]})) - usual).mean())
        for name, values in columns.items()
    }
    return shares(moved)


def _columns(sample: pl.DataFrame, manifest: Manifest) -> dict[str, NDArray[Any]]:
    there = [one.name for one in manifest.signature.inputs if one.name in sample.columns]
    return frame_columns(sample.select(there))
