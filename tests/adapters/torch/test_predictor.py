"""PyTorch serves exported programs: the module's own numbers, on the processor, from files that hold no pickles."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is an extra, and not installed here")

from loopwright.bootstrap.predictor import load_predictor  # noqa: E402
from loopwright.bundle.modules import TorchModel  # noqa: E402
from loopwright.declare import TaskName  # noqa: E402
from loopwright.errors import BundleError  # noqa: E402
from loopwright.ports.predictor import Predictor  # noqa: E402
from tests.adapters.runtime_kit import MATRIX, ROWS, outputs, write  # noqa: E402
from tests.adapters.test_runtimes import HousesExam  # noqa: E402

WIDTH = MATRIX.shape[1]


class Fill(torch.nn.Module):
    """Missing values as 0, and numbers of a size that a net likes."""

    def forward(self, rows: Any) -> Any:
        return torch.nan_to_num(rows) / 100


def module(task: TaskName) -> Any:
    torch.manual_seed(3)
    wide = {"regression": 1, "binary": 1, "multiclass": 3}[task]
    end = {"regression": torch.nn.Identity(), "binary": torch.nn.Sigmoid(), "multiclass": torch.nn.Softmax(dim=1)}
    hidden = [torch.nn.Linear(WIDTH, 16), torch.nn.ReLU(), torch.nn.Dropout(0.5), torch.nn.Linear(16, wide)]
    return torch.nn.Sequential(Fill(), *hidden, end[task])


def bundle(folder: Path, task: TaskName) -> Path:
    return write(folder, "torch", task, {"model.pt2": TorchModel(module(task)).exported(WIDTH)})


class TestTorch(HousesExam):
    tolerance = 1e-6  # linear algebra adds up a row alone in another order

    @pytest.fixture(scope="class")
    def predictor(self, tmp_path_factory: pytest.TempPathFactory) -> Predictor:
        folder = bundle(tmp_path_factory.mktemp("m"), "multiclass")
        return load_predictor(folder, allow_pickle=False, threads=2, device="cpu")

    @pytest.fixture
    def offline(self) -> dict[str, Any]:
        return outputs("multiclass", TorchModel(module("multiclass")).predict(MATRIX))


@pytest.mark.parametrize("task", ["regression", "binary"])
def test_every_task_is_answered_as_the_module_answers(task: TaskName, tmp_path: Path) -> None:
    own = TorchModel(module(task)).predict(MATRIX)[:, 0]
    answer = load_predictor(bundle(tmp_path, task)).predict(ROWS)
    for name, values in outputs(task, own).items():
        np.testing.assert_allclose(answer[name], values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("damaged", [b"", b"no model", None])
def test_a_file_that_is_no_program_is_refused(tmp_path: Path, damaged: bytes | None) -> None:
    folder = bundle(tmp_path, "regression")
    (folder / "model.pt2").unlink()
    if damaged is not None:
        (folder / "model.pt2").write_bytes(damaged)
    with pytest.raises(BundleError, match=r"model\.pt2 cannot be opened by PyTorch"):
        load_predictor(folder, verify=False)


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("part", ["sample_inputs/model.pt", "weights/model_weights_config.json"])
def test_a_program_that_holds_pickles_is_refused_unopened(tmp_path: Path, part: str) -> None:
    """PyTorch itself would unpickle them; the digests vouch for where a bundle comes from, not for what is in it."""
    folder = bundle(tmp_path / "m", "regression")
    mark, bomb = tmp_path / "gone-off", io.BytesIO()
    torch.save(Bomb(mark), bomb)
    with zipfile.ZipFile(folder / "model.pt2") as whole:
        members = {name: whole.read(name) for name in whole.namelist()}
    (place,) = [name for name in members if name.endswith(part)]
    if part.endswith(".json"):
        members[place] = members[place].replace(b'"use_pickle": false', b'"use_pickle": true')
        weight = next(name for name in members if name.endswith("weights/weight_0"))
        members[weight] = bomb.getvalue()
    else:
        members[place] = bomb.getvalue()
    with zipfile.ZipFile(folder / "model.pt2", "w", zipfile.ZIP_STORED) as tampered:
        for name, data in members.items():
            tampered.writestr(name, data)
    with pytest.raises(BundleError, match=r"model\.pt2"):
        load_predictor(folder, verify=False)
    assert not mark.exists()


@pytest.mark.parametrize("legacy", ["data/weights/model.pt", "data/constants/model.pt", "serialized_state_dict.pt"])
def test_members_of_older_forms_which_are_all_pickle_are_refused(tmp_path: Path, legacy: str) -> None:
    folder = bundle(tmp_path / "m", "regression")
    mark, bomb = tmp_path / "gone-off", io.BytesIO()
    torch.save(Bomb(mark), bomb)
    with zipfile.ZipFile(folder / "model.pt2", "a") as whole:
        root = whole.namelist()[0].partition("/")[0]
        whole.writestr(f"{root}/{legacy}", bomb.getvalue())
    with pytest.raises(BundleError, match="may hold pickled objects"):
        load_predictor(folder, verify=False)
    assert not mark.exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_wanted_and_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="there is no GPU"):
        load_predictor(bundle(tmp_path, "regression"), device="cuda")
