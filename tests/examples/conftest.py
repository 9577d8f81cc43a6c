"""An example as a user has it: its folder, copied, with its data fetched from the folder of real data sets."""

from __future__ import annotations

import runpy
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
OUR_OWN = shutil.ignore_patterns("data", "contracts", "report", ".loopwright", "__pycache__")

Example = Callable[[str], Path]


@pytest.fixture
def example(data_folder: Path, tmp_path: Path) -> Example:
    def copy(name: str) -> Path:
        folder = tmp_path / name
        shutil.copytree(EXAMPLES / name, folder, ignore=OUR_OWN)
        runpy.run_path(str(EXAMPLES / "get_data.py"))["get"](name, folder / "data", data_folder)
        return folder

    return copy


@pytest.fixture
def rewrite() -> Callable[[Path, str, str], None]:
    """Say something else in a file, which must have said the first thing."""

    def change(path: Path, said: str, instead: str) -> None:
        text = path.read_text(encoding="utf-8")
        assert said in text
        path.write_text(text.replace(said, instead), encoding="utf-8")

    return change
