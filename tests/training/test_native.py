"""What XGBoost and PyTorch make of a train function's rows is served from their own files, and says the same there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from loopwright.bundle.read import read_manifest
from loopwright.data.records import DatasetVersion
from loopwright.data.snapshot import load_rows
from loopwright.errors import TrainingError
from loopwright.ports.workspace import Workspace
from loopwright.training.fitting import make_fit
from loopwright.training.material import prepare
from tests.training.test_service import CALLED, ROWS, MakeProject, Take, made, opened, predictions

DECLARED = 'Model("m", source="s", target="y", key="id", drop=["day", "note", "same"])'
NET = """
import torch

class Net(torch.nn.Module):
    def __init__(self, width, wide):
        super().__init__()
        self.hidden, self.last = torch.nn.Linear(width, 8), torch.nn.Linear(8, wide)

    def forward(self, rows):
        return self.last(torch.relu(self.hidden(torch.nan_to_num(rows))))
"""


def offline(workspace: Workspace, version: DatasetVersion) -> Callable[[Any], Any]:
    """The train function's own model, trained once more as training does it, and what it says of all rows."""
    material = prepare(workspace.model, version, load_rows(version, workspace.storage, workspace.folder))
    fitted = make_fit(workspace.model, material.data)({})
    return fitted.score


@pytest.mark.parametrize(
    ("returned", "task"),
    [
        ("xgboost.XGBRegressor(n_estimators=9).fit(data.X, data.y)", "regression"),
        ("xgboost.train({'eta': 0.1}, xgboost.DMatrix(data.X, data.y), 9)", "regression"),
        (
            "xgboost.XGBRegressor(n_estimators=99, early_stopping_rounds=2, learning_rate=1).fit("
            "data.X, data.y, eval_set=[(data.X_validation, data.y_validation)], verbose=False)",
            "regression",
        ),
        ("xgboost.XGBClassifier(n_estimators=9).fit(data.X, data.y)", "binary"),
    ],
    ids=["estimator", "booster", "early-stopping", "classifier"],
)
def test_xgboost_is_served_from_its_own_file(project: MakeProject, version: Take, returned: str, task: str) -> None:
    pytest.importorskip("xgboost", reason="XGBoost is an extra, and not installed here")
    space = project(
        f"import xgboost\nmodel = {DECLARED}\n@model.train\ndef train(data, params):\n    return {returned}\n"
    )
    rows = CALLED if task == "binary" else ROWS
    taken = version(rows, space)
    candidate = made(space, taken)
    folder = opened(space, candidate)
    assert read_manifest(folder).runtime == "xgboost"
    assert not (folder / "model.pkl").exists()
    assert "xgboost" in (folder / "requirements.txt").read_text()
    name = "prediction" if task == "regression" else "probability"
    matrix = space.load_predictor(folder).matrix({one: rows[one].to_list() for one in ("x", "kind", "after")})
    np.testing.assert_allclose(predictions(space, candidate, rows)[name], offline(space, taken)(matrix), rtol=1e-5)


@pytest.mark.parametrize(("end", "rows"), [("", ROWS), (", torch.nn.Sigmoid()", CALLED)], ids=["regression", "binary"])
def test_a_pytorch_module_is_served_as_an_exported_program(
    project: MakeProject, version: Take, end: str, rows: pl.DataFrame
) -> None:
    pytest.importorskip("torch", reason="PyTorch is an extra, and not installed here")
    space = project(f"""{NET}
model = {DECLARED}

@model.train
def train(data, params):
    torch.manual_seed(data.seed)
    return torch.nn.Sequential(Net(data.X.shape[1], 1){end})
""")
    taken = version(rows, space)
    candidate = made(space, taken)
    folder = opened(space, candidate)
    assert read_manifest(folder).runtime == "torch"
    assert not (folder / "model.pkl").exists()
    assert "+" not in next(line for line in (folder / "requirements.txt").read_text().split() if "torch==" in line)
    (name, *_) = predictions(space, candidate, rows)
    matrix = space.load_predictor(folder).matrix({one: rows[one].to_list() for one in ("x", "kind", "after")})
    found = predictions(space, candidate, rows)[name]
    np.testing.assert_allclose(found, offline(space, taken)(matrix), rtol=1e-5, atol=1e-6)


def test_a_module_that_cannot_be_exported_is_a_pickle_and_says_why(project: MakeProject, version: Take) -> None:
    pytest.importorskip("torch", reason="PyTorch is an extra, and not installed here")
    space = project(f"""{NET}
class Fickle(Net):
    def forward(self, rows):
        answer = super().forward(rows)
        return answer if answer.sum() > 0 else -answer

model = {DECLARED}

@model.train
def train(data, params):
    torch.manual_seed(data.seed)
    return Fickle(data.X.shape[1], 1)
""")
    candidate = made(space, version(ROWS, space))
    assert read_manifest(opened(space, candidate)).runtime == "python"
    assert any("torch.export cannot write the module down" in note for note in candidate.notes)
    assert np.isfinite(predictions(space, candidate, ROWS[:5])["prediction"]).all()


def test_a_module_whose_scores_are_no_probabilities_is_refused(project: MakeProject, version: Take) -> None:
    pytest.importorskip("torch", reason="PyTorch is an extra, and not installed here")
    space = project(f"""{NET}
model = {DECLARED}

@model.train
def train(data, params):
    torch.manual_seed(data.seed)
    return Net(data.X.shape[1], 1)
""")
    with pytest.raises(TrainingError, match="does not answer with probabilities") as caught:
        made(space, version(CALLED, space))
    assert "sigmoid" in caught.value.remedy
