"""`loopwright backup` and `restore`: everything gone, and everything back."""

from __future__ import annotations

import gzip
import shutil
import socket
import sqlite3
import tarfile
from pathlib import Path
from typing import Any

import pytest

from loopwright.bootstrap.backup import write_backup
from loopwright.bootstrap.platform import open_platform
from loopwright.bootstrap.restore import restore_backup
from loopwright.rollout import ledger
from loopwright.traffic.predictions import predictions_folder
from tests.cli.conftest import Command
from tests.loop.conftest import open_here

ROW = {"day": ["2026-03-02"], "shop": ["north"], "price": [2.0], "promotion": [False]}


def standing(command: Command, project: Path) -> dict[str, Any]:
    """What somebody sees of the project: its status, its versions, its runs, its revisions, a prediction."""
    session = open_here(project)
    store = session.platform.storage
    seen = {
        "status": command("status", "--json", "--project", project).json,
        "models": command("models", "--json", "--project", project).json,
        "runs": command("runs", "list", "--json", "--project", project).json,
        "revisions": [store.get(key) for key in store.list("endpoints/")],
        "faults": ledger.verify(store, "demand"),
        "prediction": session.predict(ROW)["prediction"].tolist(),
    }
    session.close()
    return seen


def wipe(project: Path) -> None:
    shutil.rmtree(project / ".loopwright")
    shutil.rmtree(project / "contracts")


def test_after_a_wipe_all_is_back_as_it_was(command: Command, project: Path, tmp_path: Path) -> None:
    command("run")
    before = standing(command, project)
    contract = (project / "contracts" / "demand.odcs.yaml").read_bytes()
    made = command("backup", tmp_path / "kept.tar.gz", "--json")
    assert (made.code, made.json["mlflow"]) == (0, False)
    wipe(project)
    assert command("models", "--json").json == []
    assert command("restore", tmp_path / "kept.tar.gz").code == 0
    assert standing(command, project) == before
    assert (project / "contracts" / "demand.odcs.yaml").read_bytes() == contract
    assert command("run").code in (0, 1), "the loop turns on"
    assert command("runs", "list", "--json").json[0]["status"] in ("succeeded", "refused")


def test_from_either_database_into_either(
    command: Command, project: Path, tmp_path: Path, state_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOPWRIGHT_STATE", state_url)
    command("run")
    before = standing(command, project)
    command("backup", tmp_path / "kept.tar.gz")
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(project, elsewhere, ignore=shutil.ignore_patterns(".loopwright"))
    monkeypatch.delenv("LOOPWRIGHT_STATE")
    assert command("restore", tmp_path / "kept.tar.gz", "--project", elsewhere).code == 0
    assert standing(command, elsewhere) == before
    command("backup", tmp_path / "again.tar.gz", "--project", elsewhere)
    monkeypatch.setenv("LOOPWRIGHT_STATE", state_url)
    assert command("restore", tmp_path / "again.tar.gz", "--force").code == 0
    assert standing(command, project) == before


def test_a_project_in_use_is_not_overwritten_unless_forced(command: Command, project: Path, tmp_path: Path) -> None:
    command("run")
    command("backup", tmp_path / "kept.tar.gz")
    before = standing(command, project)
    command("run")
    after = standing(command, project)
    refused = command("restore", tmp_path / "kept.tar.gz", "--json")
    assert (refused.code, refused.json["error"]) == (1, "ConflictError")
    assert standing(command, project) == after != before
    assert command("restore", tmp_path / "kept.tar.gz", "--force").code == 0
    assert standing(command, project) == before


def test_a_backup_never_overwrites_a_file(command: Command, tmp_path: Path) -> None:
    (tmp_path / "kept.tar.gz").write_text("something else")
    said = command("backup", tmp_path / "kept.tar.gz", "--json")
    assert (said.code, said.json["error"]) == (1, "ConflictError")
    assert (tmp_path / "kept.tar.gz").read_text() == "something else"
    assert command("backup", tmp_path / "no" / "kept.tar.gz", "--json").json["error"] == "StorageError"


@pytest.mark.parametrize("damage", ["cut", "rotten", "foreign", "empty", "gone", "unvouched"])
def test_a_damaged_archive_changes_nothing(command: Command, project: Path, tmp_path: Path, damage: str) -> None:
    command("run")
    file = tmp_path / "kept.tar.gz"
    command("backup", file)
    before = standing(command, project)
    data = file.read_bytes()
    if damage == "gone":
        file.unlink()
    elif damage == "unvouched":
        with tarfile.open(file) as whole, tarfile.open(tmp_path / "less.tar.gz", "w:gz") as less:
            for member in whole.getmembers()[:-1]:
                less.addfile(member, whole.extractfile(member))
        file = tmp_path / "less.tar.gz"
    else:
        kinds = {"cut": data[: len(data) // 2], "rotten": data[:-2000] + bytes(2000), "empty": b""}
        file.write_bytes(kinds.get(damage, gzip.compress(b"no archive")))
    said = command("restore", file, "--force", "--json")
    assert (said.code, said.json["error"]) == (1, "StorageError")
    assert standing(command, project) == before


def test_captures_may_be_left_out(command: Command, project: Path, tmp_path: Path) -> None:
    command("run")
    session = open_here(project)
    session.platform.storage.put(f"{predictions_folder('demand')}2026-01-01/a.parquet", b"captured")
    session.close()
    for option, held in (("--captures", True), ("--no-captures", False)):
        command("backup", tmp_path / f"{held}.tar.gz", option)
        with tarfile.open(tmp_path / f"{held}.tar.gz") as archive:
            assert any("predictions/" in name for name in archive.getnames()) is held


def test_mlflow_of_the_projects_own_comes_along(project: Path, tmp_path: Path) -> None:
    folder = project / ".loopwright" / "mlflow"
    (folder / "artifacts" / "1").mkdir(parents=True)
    (folder / "artifacts" / "1" / "note.txt").write_text("an artifact")
    with sqlite3.connect(folder / "mlflow.db") as database:
        database.execute("CREATE TABLE told (what TEXT)")
        database.execute("INSERT INTO told VALUES ('everything')")
    platform = open_platform(project)
    made = write_backup(platform, tmp_path / "kept.tar.gz", captures=True, progress=lambda text, done: None)
    assert made.mlflow
    shutil.rmtree(folder)
    restore_backup(platform, tmp_path / "kept.tar.gz", force=True, progress=lambda text, done: None)
    assert (folder / "artifacts" / "1" / "note.txt").read_text() == "an artifact"
    with sqlite3.connect(folder / "mlflow.db") as database:
        assert database.execute("SELECT what FROM told").fetchall() == [("everything",)]
    platform.close()


def test_nothing_is_restored_under_a_running_platform(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("run")
    command("backup", tmp_path / "kept.tar.gz")
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("LOOPWRIGHT_PORT", str(server.getsockname()[1]))
        said = command("restore", tmp_path / "kept.tar.gz", "--force", "--json")
    assert (said.code, said.json["error"]) == (1, "ConflictError")
    assert "may be running" in said.json["message"]
