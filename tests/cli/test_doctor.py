"""`loopwright doctor`: what is well is said to be, and each trouble has its line and its remedy."""

from __future__ import annotations

import shutil
import socket
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from loopwright.bootstrap.doctor import examine
from loopwright.core.codec import to_json
from loopwright.rollout import ledger
from loopwright.traffic.status import ServerStatus, status_key
from tests.cli.conftest import Command
from tests.loop.conftest import MODEL, open_here


def found(command: Command, name: str) -> list[dict[str, Any]]:
    return [one for one in command("doctor", "--json").json if one["name"] == name]


def test_a_fresh_project_is_well(command: Command) -> None:
    said = command("doctor", "--json")
    assert (said.code, {one["finding"] for one in said.json}) == (0, {"ok"})
    names = {one["name"] for one in said.json}
    assert names >= {"python", "packages", "settings", "disk", "state", "store", "mlflow", "jobs", "ports", "models"}
    told = command("doctor")
    assert (told.code, "data/*.csv is there, 6 columns" in told.out) == (0, True)


def test_nothing_is_left_behind(command: Command, project: Path) -> None:
    before = sorted(project.rglob("*"))
    command("doctor")
    made = {path.relative_to(project).as_posix() for path in set(project.rglob("*")) - set(before)}
    assert made <= {".loopwright", ".loopwright/store", "__pycache__"}


def test_secrets_are_not_shown(command: Command, project: Path) -> None:
    (project / "loopwright.toml").write_text(
        'token = "t0p-secret"\nendpoint_tokens = {"delivery" = "t0p-secret"}\nnotify = ["slack://t0p-secret/b/c"]\n'
        'state = "postgresql://anna:t0p-secret@127.0.0.1:1/none"\n'
    )
    said = command("doctor", "--json")
    assert "t0p-secret" not in said.out
    assert "slack://***" in said.out
    assert "endpoint_tokens = delivery: ***" in said.out
    (state,) = found(command, "state")
    assert (state["finding"], "anna:***" in state["text"]) == ("fail", True)
    assert "t0p-secret" not in command("doctor").out


def test_settings_that_cannot_be_are_one_failed_line(command: Command, project: Path) -> None:
    (project / "loopwright.toml").write_text("prot = 1\n")
    said = command("doctor", "--json")
    assert said.code == 1
    assert [(one["name"], one["finding"]) for one in said.json] == [("settings", "fail")]
    assert "the settings are" in said.json[0]["remedy"]


def test_where_each_setting_comes_from(command: Command, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "loopwright.toml").write_text("keep_days = 7\n")
    monkeypatch.setenv("LOOPWRIGHT_LEASE_SECONDS", "2")
    told = [one["text"] for one in found(command, "settings")]
    assert "keep_days = 7.0 (from loopwright.toml)" in told
    assert "lease_seconds = 2.0 (from LOOPWRIGHT_LEASE_SECONDS)" in told


def test_beyond_loopback_a_token_must_be_set(command: Command, project: Path) -> None:
    (project / "loopwright.toml").write_text('host = "0.0.0.0"\n')
    assert any(one["finding"] == "fail" and "token" in one["text"] for one in found(command, "settings"))


def test_a_certificate_that_is_none_is_found(command: Command, project: Path) -> None:
    (project / "loopwright.toml").write_text('tls_certificate = "nowhere.pem"\ntls_key = "nowhere.key"\n')
    failed = [one for one in found(command, "settings") if one["finding"] == "fail"]
    assert ["nowhere.pem cannot be read" in one["text"] for one in failed] == [True]


def test_a_locked_database_is_found(command: Command, project: Path) -> None:
    command("status")
    with sqlite3.connect(project / ".loopwright" / "state.db") as other:
        other.execute("BEGIN IMMEDIATE")
        (state,) = found(command, "state")
    assert (state["finding"], "another process holds it" in state["remedy"]) == ("fail", True)


def test_a_store_without_conditional_create_is_found(
    command: Command, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = open_here(project).platform
    monkeypatch.setattr(platform.storage, "create", lambda key, data: platform.storage.put(key, data) or True)
    (store,) = [one for one in examine(platform) if one.name == "store"]
    assert (store.finding, "two create the same" in store.text) == ("fail", True)


def test_a_port_that_something_else_has_is_found(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("LOOPWRIGHT_INFERENCE_PORT", str(server.getsockname()[1]))
        control, inference = found(command, "ports")
    assert (control["finding"], inference["finding"]) == ("ok", "fail")
    assert "inference_port" in inference["remedy"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda project: (project / "demand.py").write_text("import loopwright\n1 / 0\n"), "ZeroDivisionError"),
        (lambda project: (project / "demand.py").write_text(MODEL.replace('"sold"', '"sales"')), "sales"),
        (lambda project: shutil.rmtree(project / "data"), "nothing matches data/*.csv"),
    ],
)
def test_models_and_sources_that_cannot_be_used_are_found(
    command: Command, project: Path, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(project)
    (line,) = found(command, "models")
    assert (line["finding"], said in line["text"]) == ("fail", True), line
    assert line["remedy"]


def test_no_model_at_all_is_a_warning(command: Command, project: Path) -> None:
    (project / "demand.py").unlink()
    said = command("doctor", "--json")
    assert said.code == 0
    assert [one["finding"] for one in said.json if one["name"] == "models"] == ["warn"]


def test_a_changed_ledger_is_found(command: Command, project: Path) -> None:
    command("run")
    assert {one["finding"] for one in found(command, "ledger")} == {"ok"}
    file = project / ".loopwright" / "store" / "endpoints" / "demand" / "00000001.json"
    file.write_bytes(file.read_bytes().replace(b'"previous":""', b'"previous":"ab"'))
    assert "fail" in {one["finding"] for one in found(command, "ledger")}


def test_what_servers_say_is_held_against_what_should_be_live(command: Command, project: Path) -> None:
    command("run")
    platform = open_here(project).platform
    (nobody,) = found(command, "endpoints")
    assert (nobody["finding"], "no server was heard of" in nobody["text"]) == ("warn", True)

    def heard(revision: int, fault: str = "", ago: float = 0.0) -> dict[str, Any]:
        status = ServerStatus(
            server="one",
            at=platform.clock.now() - timedelta(seconds=ago),
            revisions={"demand": revision},
            faults={"demand": fault} if fault else {},
        )
        platform.storage.put(status_key("one"), to_json(status))
        return next(one for one in found(command, "endpoints") if "demand" in one["text"])

    assert heard(ledger.length(platform.storage, "demand"))["finding"] == "ok"
    assert heard(0)["finding"] == "warn"
    assert heard(1, ago=60)["finding"] == "warn"
    faulty = heard(0, "the bundle is corrupt")
    assert (faulty["finding"], "the bundle is corrupt" in faulty["text"]) == ("fail", True)
    platform.close()


def test_little_room_on_the_disk_is_found(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil.disk_usage("/")._replace(free=10_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    (disk,) = found(command, "disk")
    assert (disk["finding"], "loopwright gc" in disk["remedy"]) == ("fail", True)


def test_a_python_that_cannot_run_jobs_is_found(command: Command, project: Path, tmp_path: Path) -> None:
    without = tmp_path / "python"
    without.write_text("#!/bin/sh\necho 'OSError: libgomp.so.1: cannot open shared object file' >&2\nexit 1\n")
    without.chmod(0o755)
    (project / "loopwright.toml").write_text(f'job_python = "{without}"\n')
    (jobs,) = found(command, "jobs")
    assert (jobs["finding"], "libgomp1" in jobs["remedy"]) == ("fail", True)
    (project / "loopwright.toml").write_text('job_python = "/no/python"\n')
    assert found(command, "jobs")[0]["finding"] == "fail"
