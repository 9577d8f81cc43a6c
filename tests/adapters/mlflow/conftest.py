"""One MLflow server for all tests here: to start one takes seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address of an application that has MLflow mounted at `/mlflow`."""
    folder = tmp_path_factory.mktemp("mlflow-server")
    command = [sys.executable, str(Path(__file__).with_name("serve.py")), str(folder)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "_MLFLOW"))}
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder, env=environment)
    try:
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        with httpx.Client(transport=httpx.HTTPTransport(retries=5), timeout=60) as client:
            client.get(f"{url}/ours")
        yield url
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
    assert (folder / "log.txt").read_text() == "", "MLflow is to be quiet on our terminal"
