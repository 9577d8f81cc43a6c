"""Endpoints are reached at the server that runs, or at one that is started for as long as it is needed."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import trustme

from loopwright.adapters.local.hosting import LocalHosting
from loopwright.core.tls import trusting
from loopwright.errors import HostingError
from loopwright.testing.exams.hosting import HostingExam

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


def predictions(client: httpx.Client) -> Any:
    return client.post("/endpoints/demand/invocations", json=[ROW]).json()["predictions"]


class TestLocalHosting(HostingExam):
    @pytest.fixture
    def hosting(self, project: Any, tmp_path: Path) -> LocalHosting:
        return hosting(project, tmp_path)

    @pytest.fixture
    def row(self) -> dict[str, Any]:
        return ROW

    @pytest.fixture
    def release(self, project: Any) -> Callable[[float], None]:
        return lambda number: project.release(project.bundle(project.linear(number / 21.5)))

    @pytest.fixture
    def spoil(self, project: Any) -> Callable[[], None]:
        return lambda: project.release(replace(project.bundle(), bundle_digest="0" * 64))


def test_a_server_is_started_and_ended(project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPWRIGHT_TOKEN", "secret")  # it is the platform's: whoever reaches this server has none
    project.release(project.bundle())
    with hosting(project, tmp_path).reach("demand") as client:
        assert predictions(client) == [21.5]
    with pytest.raises(httpx.TransportError):
        httpx.get(client.base_url, trust_env=False)
    assert len(project.captured()) == 1


def test_the_server_that_runs_is_used_once_it_serves_the_newest_revision(
    project: Any, running: Any, tmp_path: Path
) -> None:
    address = str(running.client.base_url)
    project.release(project.bundle())
    project.release(project.bundle(project.linear(2.0)))
    with hosting(project, tmp_path, address=address).reach("demand") as client:
        assert str(client.base_url) == address
        assert predictions(client) == [43.0]
    assert running.client.get("/ping").status_code == 200


def test_a_server_of_another_store_is_left_alone(kit: ModuleType, running: Any, tmp_path: Path) -> None:
    other = kit.Project(tmp_path / "other")
    other.release(other.bundle(other.linear(3.0)))
    address = str(running.client.base_url)
    with hosting(other, tmp_path, address=address, patience=0.2).reach("demand") as client:
        assert str(client.base_url) != address
        assert predictions(client) == [64.5]


def test_nothing_at_the_address_is_no_obstacle(kit: ModuleType, project: Any, tmp_path: Path) -> None:
    project.release(project.bundle())
    with hosting(project, tmp_path, address=f"http://127.0.0.1:{kit.free_port()}").reach("demand") as client:
        assert predictions(client) == [21.5]


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


def test_a_server_with_a_token_and_a_certificate_is_reached(kit: ModuleType, project: Any, tmp_path: Path) -> None:
    certificate, key, other = _pair(tmp_path / "ours"), tmp_path / "ours.key", _pair(tmp_path / "theirs")
    options = ["--tls-certificate", str(certificate), "--tls-key", str(key)]
    project.release(project.bundle())
    server = kit.start_server(project, tmp_path, *options, LOOPWRIGHT_TOKEN="secret")
    host, port = server.address
    server.client = httpx.Client(base_url=f"https://{host}:{port}", verify=trusting(certificate), trust_env=False)
    server.wait_for()
    told = {"address": f"https://{host}:{port}", "token": "secret", "certificate": certificate}
    with hosting(project, tmp_path, **told).reach("demand") as client:
        assert client.base_url.port == port
        assert predictions(client) == [21.5]
    for changed in ({"token": "wrong"}, {"certificate": other}):  # it is somebody else's, then
        with hosting(project, tmp_path, **told | changed).reach("demand") as client:
            assert client.base_url.port != port
    assert server.stop() == 0
    server.client.close()


@pytest.mark.parametrize("named", ["demand", "demand-staging"])
def test_an_endpoints_own_token_is_shown_of_its_staging_too(
    kit: ModuleType, project: Any, tmp_path: Path, named: str
) -> None:
    project.release(project.bundle(), endpoint="demand-staging")
    server = kit.start_server(project, tmp_path, LOOPWRIGHT_ENDPOINT_TOKENS=json.dumps({named: "own"}))
    server.wait_for()
    told = {"address": f"http://127.0.0.1:{server.address[1]}"}
    with hosting(project, tmp_path, **told, endpoint_tokens={named: "own"}).reach("demand-staging") as client:
        assert client.base_url.port == server.address[1]
        asked = {"path": "/v2/models/demand-staging", "others": {"authorization": "Bearer other"}}
        assert client.get(asked["path"]).status_code == 200
        assert client.get(asked["path"], headers=asked["others"]).status_code == 401
    assert server.stop() == 0


def _pair(place: Path) -> Path:
    """A certificate for 127.0.0.1; its key lies beside it."""
    leaf = trustme.CA().issue_cert("127.0.0.1")
    leaf.private_key_pem.write_to_path(place.with_suffix(".key"))
    leaf.cert_chain_pems[0].write_to_path(place.with_suffix(".pem"))
    return place.with_suffix(".pem")
