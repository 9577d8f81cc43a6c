"""Whether a refit is still the model that was evaluated: both answer for the validation rows, and are held together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopwright.bundle.frames import frame_columns
from loopwright.bundle.read import read_manifest
from loopwright.bundle.records import Manifest
from loopwright.ports.workspace import Workspace
from loopwright.training.records import SplitPlan
from loopwright.training.split import assign
from loopwright.training.target import target_values

ROWS = 5000
MORE_ERROR = 1.05
FURTHER = 1.5
FLOOR = 0.05


def straying(
    workspace: Workspace, split: SplitPlan, rows: pl.LazyFrame, *, evaluated: Path, refitted: Path
) -> str | None:
    """What is wrong with the refit, in words; None where nothing is. Looks at up to `ROWS` validation rows.

    The refit has seen these rows and the evaluated model has not. So its error (root mean square, of probabilities
    for classes) must not be above `MORE_ERROR` times the evaluated model's, and its answers must not lie further from
    the evaluated model's than `FURTHER` times that model's own error. `FLOOR` times the target's spread is allowed on
    top of both, for models with next to no error.
    """
    manifest = read_manifest(refitted)
    sample = _sample(split, rows, manifest)
    truth = _truth(manifest, sample[manifest.target])
    columns = frame_columns(sample.select([one.name for one in manifest.signature.inputs]))
    before, after = (_answers(workspace, folder, columns) for folder in (evaluated, refitted))
    if not np.all(np.isfinite(after)):
        return "it predicts values that are not finite"
    error, new_error, distance = _rms(before - truth), _rms(after - truth), _rms(after - before)
    floor = FLOOR * float(np.std(truth))
    if new_error > MORE_ERROR * error + floor:
        return f"its error on the validation rows is {new_error:.4g}, the evaluated model's {error:.4g}"
    if distance > FURTHER * error + floor:
        return f"its predictions lie {distance:.4g} from the evaluated model's, whose own error is {error:.4g}"
    return None


def _sample(split: SplitPlan, rows: pl.LazyFrame, manifest: Manifest) -> pl.DataFrame:
    known = rows.select(pl.col(manifest.target).is_not_null()).collect().to_series()
    places = (known & (assign(split, rows) == "validation")).arg_true()
    chosen = places.gather_every(max(1, len(places) // ROWS))
    wanted = list(dict.fromkeys([manifest.target, *(one.name for one in manifest.signature.inputs)]))
    sample = pl.DataFrame([rows.select(name).collect().to_series().gather(chosen) for name in wanted])
    known_class = ~np.isnan(target_values(manifest.task, manifest.classes, sample[manifest.target]))
    return sample.filter(pl.Series(known_class))


def _truth(manifest: Manifest, targets: pl.Series) -> NDArray[np.float64]:
    """What perfect answers would be: the number, 1 for the positive class, or 1 in the class's column."""
    values = target_values(manifest.task, manifest.classes, targets)
    if manifest.task != "multiclass":
        return values
    places = np.arange(len(manifest.classes), dtype=np.float64)
    return np.equal.outer(values, places).astype(np.float64)


def _answers(workspace: Workspace, folder: Path, columns: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    outputs = workspace.load_predictor(folder).predict(columns)
    name = next(name for name in ("prediction", "probability", "probabilities") if name in outputs)
    return outputs[name].astype(np.float64)


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2)))
