"""Endpoints are reached at the server that runs, or at one that is started for as long as it is needed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from loopwright.adapters.local.hosting import LocalHosting
from loopwright.errors import HostingError

ROW = {"x": 1.5, "n": 2, "shop": "a"}


@pytest.fixture(scope="module")
def kit() -> Iterator[ModuleType]:
    """What the tests of the server share: bundles, revisions, real processes."""
    path = Path(__file__).parents[2] / "serving" / "conftest.py"
    spec = importlib.util.spec_from_file_location("serving_kit", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["serving_kit"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["serving_kit"]


@pytest.fixture
def project(kit: ModuleType, tmp_path: Path) -> Any:
    return kit.Project(tmp_path)


@pytest.fixture
def running(kit: ModuleType, project: Any, tmp_path: Path) -> Iterator[Any]:
    """A server of the project's store."""
    server = kit.start_server(project, tmp_path)
    server.wait_for("/healthz")
    yield server
    assert server.stop() == 0
    server.client.close()


def hosting(project: Any, tmp_path: Path, **given: Any) -> LocalHosting:
    return LocalHosting(project.url, spool=tmp_path / "own-spool", **given)


def predictions(url: str) -> Any:
    return httpx.post(f"{url}/endpoints/demand/invocations", json=[ROW], trust_env=False).json()["predictions"]


def test_a_server_is_started_and_ended(project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPWRIGHT_TOKEN", "secret")  # it is the platform's: whoever reaches this server has none
    project.release(project.bundle())
    with hosting(project, tmp_path).reach("demand") as url:
        assert predictions(url) == [21.5]
    with pytest.raises(httpx.TransportError):
        predictions(url)
    assert len(project.captured()) == 1


def test_the_server_that_runs_is_used_once_it_serves_the_newest_revision(
    project: Any, running: Any, tmp_path: Path
) -> None:
    address = str(running.client.base_url)
    project.release(project.bundle())
    project.release(project.bundle(project.linear(2.0)))
    with hosting(project, tmp_path, address=address).reach("demand") as url:
        assert url == address
        assert predictions(url) == [43.0]
    assert running.client.get("/ping").status_code == 200


def test_a_server_of_another_store_is_left_alone(kit: ModuleType, running: Any, tmp_path: Path) -> None:
    other = kit.Project(tmp_path / "other")
    other.release(other.bundle(other.linear(3.0)))
    address = str(running.client.base_url)
    with hosting(other, tmp_path, address=address, patience=0.2).reach("demand") as url:
        assert url != address
        assert predictions(url) == [64.5]


def test_nothing_at_the_address_is_no_obstacle(kit: ModuleType, project: Any, tmp_path: Path) -> None:
    project.release(project.bundle())
    with hosting(project, tmp_path, address=f"http://127.0.0.1:{kit.free_port()}").reach("demand") as url:
        assert predictions(url) == [21.5]


def test_an_endpoint_without_revisions_is_refused(project: Any, tmp_path: Path) -> None:
    with (
        pytest.raises(HostingError, match="endpoint demand has no revision"),
        hosting(project, tmp_path).reach("demand"),
    ):
        pass


def test_a_bundle_that_cannot_be_served_is_refused_with_the_reason(project: Any, tmp_path: Path) -> None:
    project.release(project.bundle())
    project.release(replace(project.bundle(), bundle_digest="0" * 64))
    with pytest.raises(HostingError, match="revision 2 cannot be served"), hosting(project, tmp_path).reach("demand"):
        pass


def test_a_server_that_ends_at_once_says_why(project: Any, tmp_path: Path) -> None:
    project.release(project.bundle())
    (tmp_path / "own-spool").write_text("a file where a folder is needed")
    started = hosting(project, tmp_path).reach("demand")
    with pytest.raises(HostingError, match="the inference server for demand ended"), started:
        pass
