"""ONNX Runtime: one thread, and the model's own input type."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from loopwright.adapters.onnx.predictor import load_score, open_session
from loopwright.bundle.outputs import task_signature
from loopwright.bundle.records import Manifest
from loopwright.errors import BundleError
from loopwright.training.onnx import to_onnx

MANIFEST = Manifest(
    model="m",
    task="regression",
    runtime="onnx",
    signature=task_signature("regression", []),
    files={},
    created=datetime(2026, 1, 1, tzinfo=UTC),
)


def test_a_model_of_32_bit_inputs_takes_a_matrix_of_64_bits(tmp_path: Path) -> None:
    matrix = np.arange(8.0).reshape(4, 2)
    model = LinearRegression().fit(matrix, [1.0, 2.0, 3.0, 5.0])
    data = to_onnx(model, 2).data
    assert data is not None
    (tmp_path / "model.onnx").write_bytes(data)
    scores = load_score(tmp_path, MANIFEST)(matrix)
    np.testing.assert_allclose(np.asarray(scores, dtype=float)[:, 0], model.predict(matrix), rtol=1e-5)
    assert open_session(data).get_session_options().intra_op_num_threads == 1
    assert open_session(data, threads=2).get_session_options().intra_op_num_threads == 2


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(BundleError, match=r"model\.onnx cannot be opened by ONNX Runtime"):
        load_score(tmp_path, MANIFEST)
