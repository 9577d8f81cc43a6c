"""A fitted model into its bundle: the model's files, its code, and the papers that go with it."""

from __future__ import annotations

import io
import json
import pickletools
import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import cloudpickle
import lightgbm
import numpy as np

from loopwright.bundle.card import bom, model_card
from loopwright.bundle.code import archive_code, unpack_code
from loopwright.bundle.modules import TorchModel, xgboost_booster
from loopwright.bundle.outputs import task_signature
from loopwright.bundle.read import read_manifest
from loopwright.bundle.records import CODE, Manifest, Reference, Runtime
from loopwright.bundle.write import extend_bundle, write_bundle
from loopwright.declare import Model
from loopwright.errors import TrainingError
from loopwright.ports.workspace import Workspace
from loopwright.training.fitting import Fitted
from loopwright.training.material import Material
from loopwright.training.onnx import agrees, to_onnx
from loopwright.training.records import Candidate

AGREEMENT_ROWS = 20_000


def fresh_folder(folder: Path) -> Path:
    """`folder`, empty: what an attempt before this one left there must not get into a bundle."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def pack(
    folder: Path,
    workspace: Workspace,
    material: Material,
    fitted: Fitted,
    *,
    threshold: float,
    lineage: Mapping[str, str],
    onnx: bool,
) -> tuple[Manifest, tuple[str, ...]]:
    """Write the bundle into `folder`; returns its manifest and notes on how it will be served.

    Raises `TrainingError` where the model cannot be written down.
    """
    model, data = workspace.model, material.data
    files, runtime, notes = _model_files(fitted, material, onnx)
    draft = Manifest(
        model=model.name,
        task=data.task,
        runtime=runtime,
        signature=task_signature(data.task, material.inputs, data.classes),
        files={},
        created=workspace.clock.now(),
        target=model.declaration.target,
        key=model.declaration.key,
        classes=data.classes,
        positive=material.target.positive,
        threshold=threshold,
        module=workspace.module if _needs_code(model, files) else None,
        uses_features=model.features_function is not None,
        trained_until=material.trained_until,
        trained_rows=len(data.y),
        redact=model.declaration.redact,
        lineage=dict(lineage),
    )
    if _needs_code(model, files):
        copy_code(workspace, folder)
    requirements = distributions_of(files["model.pkl"]) if "model.pkl" in files else ()
    manifest = write_bundle(folder, draft, encoding=material.encoding, contents=files, requirements=requirements)
    return manifest, notes


def add_papers(
    folder: Path,
    candidate: Candidate,
    metrics: Mapping[str, float],
    *,
    papers: Mapping[str, bytes] | None = None,
    reference: Reference | None = None,
) -> None:
    """Add to the bundle its card, its bill of materials, further `papers`, and the reference for later windows."""
    card = model_card(
        read_manifest(folder),
        metrics=metrics,
        params=candidate.params,
        importance=candidate.importance,
        notes=candidate.notes,
    )
    own = {"card.md": card.encode(), "bom.json": json.dumps(bom(), indent=2).encode()}
    extend_bundle(folder, {**(papers or {}), **own}, reference=reference)


def copy_code(workspace: Workspace, folder: Path) -> None:
    """Put the project's code into the bundle."""
    if workspace.code is not None:
        unpack_code(archive_code(workspace.code), folder / CODE)


def distributions_of(pickled: bytes) -> tuple[str, ...]:
    """The distributions whose modules a pickle names, but those of Loopwright's own core."""
    strings = (argument for _, argument, _ in pickletools.genops(io.BytesIO(pickled)) if isinstance(argument, str))
    roots = {text.split(".")[0].split(" ")[0] for text in strings}
    known = packages_distributions()
    found = {name for root in roots if root in sys.modules for name in known.get(root, ())}
    return tuple(sorted(found - {"loopwright"}))


def _model_files(fitted: Fitted, material: Material, onnx: bool) -> tuple[dict[str, bytes], Runtime, tuple[str, ...]]:
    """The model's own file, and its ONNX form where that says the same on validation rows; and which is served."""
    if isinstance(fitted.model, TorchModel):
        return _torch_files(fitted.model, len(material.encoding.names))
    trees = _xgboost_file(fitted, material)
    if trees is not None:
        return {"model.ubj": trees}, "xgboost", ()
    booster = _booster(fitted, material)
    files = {"model.txt": booster.model_to_string().encode()} if booster else {"model.pkl": _pickled(fitted.model)}
    runtime: Runtime = "lightgbm" if booster else "python"
    if not onnx:
        return files, runtime, ()
    converted = _converted(booster or fitted.model, fitted, material)
    if isinstance(converted, str):
        return files, runtime, (f"served by {runtime}, not ONNX: {converted}",)
    return {**files, "model.onnx": converted}, "onnx", ()


def _torch_files(model: TorchModel, width: int) -> tuple[dict[str, bytes], Runtime, tuple[str, ...]]:
    try:
        return {"model.pt2": model.exported(width)}, "torch", ()
    except Exception as error:  # noqa: BLE001 - torch.export raises whatever it stumbles over
        reason = str(error).strip().partition("\n")[0]
        note = f"served as a pickle, for torch.export cannot write the module down: {type(error).__name__}: {reason}"
        return {"model.pkl": _pickled(model)}, "python", (note,)


def _xgboost_file(fitted: Fitted, material: Material) -> bytes | None:
    """The model as a plain XGBoost booster, where it is one and answers as the model does."""
    booster = xgboost_booster(fitted.model)
    if booster is None:
        return None
    rows = _rows(material)[:100]
    answer = np.asarray(booster.inplace_predict(rows, validate_features=False))
    usual = fitted.score(rows)
    same = answer.shape == usual.shape and np.allclose(answer, usual, rtol=1e-5, equal_nan=True)
    return bytes(booster.save_raw("ubj")) if same else None


def _booster(fitted: Fitted, material: Material) -> lightgbm.Booster | None:
    """The model as a plain LightGBM booster, where it is one and answers as the model does."""
    booster = getattr(fitted.model, "booster_", fitted.model)
    if not isinstance(booster, lightgbm.Booster):
        return None
    rows = _rows(material)[:100]
    answer = np.asarray(booster.predict(rows, validate_features=False))
    usual = fitted.score(rows)
    return booster if answer.shape == usual.shape and np.allclose(answer, usual, equal_nan=True) else None


def _converted(model: Any, fitted: Fitted, material: Material) -> bytes | str:
    """The model as ONNX; or in words why it is not to be served so."""
    known = getattr(model, "classes_", None)
    if known is not None and list(known) != list(range(len(material.data.classes))):
        return "the model does not know all classes"
    conversion = to_onnx(model, len(material.encoding.names))
    if conversion.data is None:
        return conversion.reason
    same, difference = agrees(conversion.data, fitted.score, _rows(material))
    return conversion.data if same else f"its answers would differ by up to {difference:.3g}"


def _rows(material: Material) -> Any:
    held = material.data.held_out[0]
    rows = held if len(held) else material.data.X
    return np.ascontiguousarray(rows[:: max(1, len(rows) // AGREEMENT_ROWS)], dtype=np.float64)


def _pickled(model: Any) -> bytes:
    try:
        data: bytes = cloudpickle.dumps(model)
    except Exception as error:
        raise TrainingError(
            f"the trained {type(model).__name__} cannot be pickled: {type(error).__name__}: {error}",
            remedy="return a model without open files, connections, locks or generators",
        ) from error
    return data


def _needs_code(model: Model, files: Mapping[str, bytes]) -> bool:
    return model.features_function is not None or "model.pkl" in files
