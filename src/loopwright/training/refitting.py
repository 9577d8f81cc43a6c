"""The refit: the settings found, fitted again on all rows that may be seen, and held against the evaluated model."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl

from loopwright.bundle.read import bundle_digest, read_encoding, read_manifest
from loopwright.bundle.records import SAMPLE, Manifest, Reference
from loopwright.core.codec import from_json
from loopwright.data.snapshot import load_rows
from loopwright.features.checks import BLOCK
from loopwright.features.function import visible_columns
from loopwright.features.inputs import feature_sources
from loopwright.ports.storage import fetch_folder, upload_folder
from loopwright.ports.workspace import Workspace
from loopwright.training.fitting import make_fit
from loopwright.training.material import prepare_refit
from loopwright.training.packing import add_papers, fresh_folder, pack
from loopwright.training.records import Candidate, RefitTask
from loopwright.training.sample import sample_paper
from loopwright.training.sanity import straying
from loopwright.training.target import TargetPlan


def refit(task: RefitTask, workspace: Workspace) -> Candidate:
    """Fit the candidate's settings again and put the final bundle into `task.folder`.

    By time and row number all rows with a known target are fitted; by a hash all but the test rows, which stay unseen
    for ever. Where `Model(refit=False)` is declared, or the refit strays from the evaluated model (see
    `sanity.straying`), the evaluated model itself goes into the final bundle, and the notes say so.
    Raises what `train` raises.
    """
    started = workspace.clock.now()
    workspace.progress("reading rows", 0.0)
    rows = load_rows(task.dataset, workspace.storage, workspace.folder)
    evaluated = fetch_folder(workspace.storage, task.candidate.folder, workspace.folder)
    folder, notes = _final_model(task, workspace, rows, evaluated)
    workspace.progress("writing the bundle", 0.9)
    candidate = replace(task.candidate, notes=(*task.candidate.notes, *notes))
    papers = {name: workspace.storage.get(key) for name, key in task.bundle_extras.items()}
    papers[SAMPLE] = sample_paper(folder, rows, workspace)
    reference = _reference(task, workspace, rows, read_manifest(folder))
    add_papers(folder, candidate, _metrics(papers), papers=papers, reference=reference)
    upload_folder(workspace.storage, task.folder, folder)
    workspace.progress("refitted", 1.0)
    manifest = read_manifest(folder)
    return replace(
        candidate,
        folder=task.folder,
        digest=bundle_digest(folder),
        rows=manifest.trained_rows,
        trained_until=manifest.trained_until,
        seconds=(workspace.clock.now() - started) / timedelta(seconds=1),
    )


def _final_model(
    task: RefitTask, workspace: Workspace, rows: pl.LazyFrame, evaluated: Path
) -> tuple[Path, tuple[str, ...]]:
    """The folder of the bundle that goes on, and how it came to be the one."""
    if task.candidate.origin == "imported":
        return _kept(workspace, evaluated), ("not refitted: it was trained elsewhere, and goes on as it is",)
    if not workspace.model.declaration.refit:
        declared = "not refitted: refit=False is declared, so the evaluated model itself goes on"
        return _kept(workspace, evaluated), (declared,)
    folder, notes = _fit_again(task, workspace, rows, read_manifest(evaluated), evaluated)
    workspace.progress("comparing with the evaluated model", 0.8)
    stray = straying(workspace, task.candidate.split, rows, evaluated=evaluated, refitted=folder)
    if stray:
        thrown = f"the refit was thrown away, and the evaluated model itself goes on: {stray}"
        return _kept(workspace, evaluated), (*notes, thrown)
    return folder, notes


def _kept(workspace: Workspace, evaluated: Path) -> Path:
    """The evaluated bundle as a folder that may be written to: `evaluated` may be the store's own."""
    folder = fresh_folder(workspace.folder / "kept")
    shutil.copytree(evaluated, folder, copy_function=shutil.copyfile, dirs_exist_ok=True)
    return folder


def _fit_again(
    task: RefitTask, workspace: Workspace, rows: pl.LazyFrame, manifest: Manifest, evaluated: Path
) -> tuple[Path, tuple[str, ...]]:
    target = TargetPlan(task=manifest.task, classes=manifest.classes, positive=manifest.positive, note="")
    candidate = task.candidate
    material = prepare_refit(workspace.model, task.dataset, rows, candidate, target, read_encoding(evaluated))
    rounds = None if candidate.rounds is None else scaled_rounds(candidate.rounds, candidate.rows, len(material.data.y))
    workspace.progress(f"fitting on {len(material.data.y):,} rows", 0.2)
    fitted = make_fit(workspace.model, material.data, rounds=rounds)(candidate.params)
    folder = fresh_folder(workspace.folder / "refitted")
    lineage = {**manifest.lineage, "evaluated": candidate.digest, "dataset": task.dataset.digest}
    _, served = pack(
        folder, workspace, material, fitted, threshold=candidate.threshold, lineage=lineage, onnx=task.onnx
    )
    boosted = () if rounds is None else (f"the refit boosts {rounds} rounds, for more rows bear more",)
    return folder, (*material.notes, *boosted, *served)


def scaled_rounds(rounds: int, rows: int, more_rows: int) -> int:
    """Boosting rounds for more rows than they were found on: by the square root of the ratio, at most half as many
    again. More rows bear a finer model, but with the learning rate unchanged less than in proportion; a judgement.
    """
    return max(1, round(rounds * min(1.5, math.sqrt(max(1.0, more_rows / rows)))))


def _reference(task: RefitTask, workspace: Workspace, rows: pl.LazyFrame, manifest: Manifest) -> Reference:
    """The evaluation rows' reference, each input with its share of the importance."""
    reference = from_json(workspace.storage.get(task.reference_key), Reference)
    weights = _input_importance(task.candidate.importance, workspace, rows, manifest)
    columns = (replace(one, importance=weights.get(one.name, 0.0)) for one in reference.columns)
    return replace(reference, columns=tuple(columns))


def _input_importance(
    importance: Mapping[str, float], workspace: Workspace, rows: pl.LazyFrame, manifest: Manifest
) -> dict[str, float]:
    """Importance by raw input: a made feature's is shared out evenly among the inputs it follows from."""
    model = workspace.model
    sources: dict[str, tuple[str, ...]] = {}
    if model.features_function is not None:
        visible = visible_columns(model.declaration, rows.collect_schema().names())
        names = [one.name for one in manifest.signature.inputs if one.name in visible]
        block = rows.select(names).head(BLOCK).collect()
        sources = feature_sources(model.features_function, block, model.declaration)
    weights: dict[str, float] = {}
    for feature, share in importance.items():
        origins = sources.get(feature, (feature,))
        for name in origins:
            weights[f"input.{name}"] = weights.get(f"input.{name}", 0.0) + share / len(origins)
    return weights


def _metrics(papers: Mapping[str, bytes]) -> dict[str, float]:
    """The candidate's figures on the test rows, out of the evaluation's paper."""
    if "evaluation.json" not in papers:
        return {}
    found = json.loads(papers["evaluation.json"]).get("metrics", {}).get("candidate", {})
    return {f"{name} (test)": estimate["value"] for name, estimate in found.items()}
