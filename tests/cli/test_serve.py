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


def test_serve_beyond_loopback_wants_a_token(command: Command) -> None:
    said = command("serve", "--host", "0.0.0.0", "--json")
    assert (said.code, said.json["error"]) == (1, "HostingError")
    assert "token" in said.json["message"]


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
