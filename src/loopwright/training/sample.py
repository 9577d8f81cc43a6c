"""A few raw rows and what the bundle predicts for them: what any host of the bundle must answer too."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from loopwright.bundle.read import read_manifest
from loopwright.core.codec import to_json
from loopwright.ports.workspace import Workspace

ROWS = 20


def sample_paper(folder: Path, rows: pl.LazyFrame, workspace: Workspace) -> bytes:
    """JSON `{"inputs": {column: [...]}, "outputs": {name: [...]}}` for the last rows, as a client sends them."""
    names = [one.name for one in read_manifest(folder).signature.inputs]
    frame = rows.select(names).tail(ROWS).collect()
    as_sent = {series.name: [_plain(value) for value in series] for series in frame.get_columns()}
    outputs = workspace.load_predictor(folder).predict(as_sent)
    return to_json({"inputs": as_sent, "outputs": {name: values.tolist() for name, values in outputs.items()}})


def _plain(value: object) -> object:
    return value.isoformat() if hasattr(value, "isoformat") else value
