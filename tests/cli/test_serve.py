"""`loopwright serve`: a server that has nothing but the object store."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from loopwright.cli.main import app
from loopwright.serving.options import LIMITS, ServerOptions
from tests.cli.conftest import Command


def test_serve_answers_from_the_store_alone_and_stops_when_told(command: Command, project: Path) -> None:
    command("run")
    row = {"day": "2026-03-02", "shop": "north", "price": 2.0, "promotion": False}
    offline = command("predict", "--row", json.dumps(row), "--json").json["predictions"]["prediction"]
    (project / ".loopwright" / "state.db").rename(project / "elsewhere.db")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "loopwright.cli.main", "serve", "--project", str(project), "--port", str(port)]
    server = subprocess.Popen([*words, "--endpoint", "demand"], stderr=subprocess.PIPE, env=dict(os.environ))
    try:
        answer = _ask(f"http://127.0.0.1:{port}/endpoints/demand/invocations", {"instances": [row]}, server)
    finally:
        server.terminate()
        _, said = server.communicate(timeout=30)
    assert answer["predictions"] == pytest.approx(offline)
    assert server.returncode == 0, said.decode()
    assert not (project / ".loopwright" / "state.db").exists()


def test_serve_of_a_folder_that_is_not_there_is_refused(command: Command, tmp_path: Path) -> None:
    said = command("serve", "--project", str(tmp_path / "demnad"), "--json")
    assert (said.code, said.json["error"]) == (1, "NotFoundError")
    assert "there is no folder" in said.json["message"]
    assert not (tmp_path / "demnad").exists()


def test_serve_beyond_loopback_wants_a_token(command: Command) -> None:
    said = command("serve", "--host", "0.0.0.0", "--json")
    assert (said.code, said.json["error"]) == (1, "HostingError")
    assert "token" in said.json["message"]


def test_serve_takes_what_settings_say_and_options_before_them(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[ServerOptions] = []
    monkeypatch.setattr("loopwright.cli.serve.run_server", told.append)
    monkeypatch.setenv("LOOPWRIGHT_MAX_ROWS", "7")
    monkeypatch.setenv("LOOPWRIGHT_WAIT_SECONDS", "8")
    given = {name: place for place, name in enumerate(LIMITS, start=2000) if name != "max_rows"}
    words = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    words += ["--grpc-port=8499", "--no-allow-pickle", "--project", str(project)]
    with pytest.raises(SystemExit):
        app(["serve", *words])
    assert {name: getattr(told[0], name) for name in LIMITS} == {**given, "max_rows": 7}
    assert (told[0].grpc_port, told[0].allow_pickle) == (8499, False)


def test_a_payload_that_sagemaker_names_gives_way_to_the_option(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[ServerOptions] = []
    monkeypatch.setattr("loopwright.cli.serve.run_server", told.append)
    monkeypatch.setenv("SAGEMAKER_MAX_PAYLOAD_IN_MB", "6")
    for words in ([], ["--max-body", "5000"]):
        with pytest.raises(SystemExit):
            app(["serve", "--project", str(project), *words])
    assert [one.max_body for one in told] == [6 * 1024 * 1024, 5000]


@pytest.mark.parametrize("option", ["--idle-seconds=inf", "--max-body=3", "--batch-rows=0", "--drain-seconds=100000"])
def test_a_limit_that_makes_no_sense_is_refused(command: Command, option: str) -> None:
    said = command("serve", option, "--json")
    assert (said.code, said.json["error"]) == (1, "SettingsError")
    assert option[2:].split("=")[0].replace("-", "_") in said.json["message"]


def _ask(url: str, body: dict[str, object], server: subprocess.Popen[bytes]) -> dict[str, list[float]]:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        assert server.poll() is None, server.stderr.read().decode() if server.stderr else ""
        try:
            response = httpx.post(url, json=body, timeout=5.0)
        except httpx.HTTPError:
            time.sleep(0.05)
            continue
        if response.status_code == 200:
            found: dict[str, list[float]] = response.json()
            return found
        time.sleep(0.05)
    raise AssertionError("the server never answered")
