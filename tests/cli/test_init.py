"""`loopwright init`: a project that runs as written; nothing overwritten; what is missing is asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl

from loopwright.project import Project

COMMAND = [sys.executable, "-m", "loopwright.cli.main", "init"]


def init(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], cwd=folder, capture_output=True, text=True, timeout=60)


def test_without_data_it_writes_the_retail_chain(tmp_path: Path) -> None:
    done = init(tmp_path, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] == ["demand.py", "loopwright.toml", ".gitignore", "data/sales-1.csv"]
    (model,) = Project(tmp_path, ("demand.py",), "contracts").models().values()
    assert set(pl.read_csv(tmp_path / "data" / "sales-1.csv").columns) >= {model.declaration.target, "day", "id"}
    again = init(tmp_path)
    assert again.returncode == 1
    assert "already" in again.stderr


def test_with_data_it_drafts_a_model_of_it(tmp_path: Path) -> None:
    pl.DataFrame({"id": range(50), "x": range(50), "y": ["no", "yes"] * 25}).write_csv(tmp_path / "churn.csv")
    asked = init(tmp_path, "churn.csv")
    assert asked.returncode == 1
    assert "id, x, y" in asked.stderr.replace("\n", " ")
    done = init(tmp_path, "churn.csv", "--target", "y", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["model"], answer["key"], answer["time"]) == ("churn", "id", None)
    assert set(answer["files"]) == {"model.py", "loopwright.toml", ".gitignore"}
    assert list(Project(tmp_path, ("model.py",), "contracts").models()) == ["churn"]


def test_where_no_folder_can_be_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    refused = init(tmp_path, "--project", "file", "--json")
    assert (refused.returncode, json.loads(refused.stdout)["error"]) == (1, "StorageError")
