"""Scores from `model.onnx` by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from loopwright.bundle.pipeline import Score
from loopwright.bundle.records import Manifest
from loopwright.errors import BundleError


def load_score(folder: Path, manifest: Manifest, *, threads: int = 1) -> Score:
    """The model as a function from a matrix to raw scores: its last output. Raises `BundleError`."""
    session = open_session(folder / "model.onnx", threads=threads)
    name, output = session.get_inputs()[0].name, session.get_outputs()[-1].name
    wanted, outputs = np.float64 if session.get_inputs()[0].type == "tensor(double)" else np.float32, [output]
    # `session.run` looks at the inputs' names and kinds each time, and here they cannot be others: for a row alone that
    # takes a good part of what its trees do. What is behind it is no documented API, so it is used where it is there.
    run = getattr(getattr(session, "_sess", None), "run", session.run)

    def score(matrix: NDArray[np.float64]) -> NDArray[np.generic]:
        scores: NDArray[np.generic] = run(outputs, {name: matrix.astype(wanted, copy=False)}, None)[0]
        return scores

    return score


def open_session(model: Path | bytes, *, threads: int = 1) -> ort.InferenceSession:
    """A session for one thread: servers scale by processes, and idle threads that spin cost their neighbours."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(
            model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's exceptions have no common root
        raise BundleError(
            f"model.onnx cannot be opened by ONNX Runtime {ort.__version__}: {error}",
            remedy="install the ONNX Runtime that requirements.txt names, or fetch the bundle again",
        ) from None
