"""A platform with a history, made by the rooms themselves, and clients that hold every answer against OpenAPI."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import jsonschema
import pytest
from fastapi import FastAPI

from loopwright.api import create_app
from loopwright.bootstrap.platform import Platform, open_platform
from loopwright.core.clock import VirtualClock
from loopwright.core.codec import to_json
from loopwright.core.decision import Decision, Reason
from loopwright.data.records import DatasetVersion, ValidationReport
from loopwright.declare import Declaration
from loopwright.policies.retraining import NewData
from loopwright.policies.rollout import Canary
from loopwright.project import DeclaredModel, write_declared
from loopwright.registry.records import ModelVersion
from loopwright.rollout.records import Rollout

HERE = "http://127.0.0.1:8400"


class Client:
    """Asks the application in this process; whatever it raises ends as the answer it would send."""

    def __init__(self, app: FastAPI, base: str = HERE) -> None:
        self.app, self.base = app, base

    def get(self, url: str, **options: Any) -> httpx.Response:
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Any) -> httpx.Response:
        return self.request("POST", url, **options)

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=self.base) as client:
                return await client.request(method, url, **options)

        return asyncio.run(ask())


class CheckingClient(Client):
    """Holds every answer against the API's own description."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(app)
        self.document = _described()

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        answer = super().request(method, url, **options)
        self._check(method.lower(), answer)
        return answer

    def _check(self, method: str, answer: httpx.Response) -> None:
        operation = self._operation(method, answer.request.url.path)
        if operation is None:
            return
        described = operation["responses"].get(str(answer.status_code), operation["responses"]["default"])
        kind = answer.headers.get("content-type", "").partition(";")[0]
        assert kind in described["content"], (answer.status_code, kind, answer.text)
        schema = described["content"][kind].get("schema", {})
        if "json" in kind:
            jsonschema.validate(answer.json(), {**schema, "components": self.document["components"]})

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        parts = path.split("/")
        for template, operations in self.document["paths"].items():
            wanted = template.split("/")
            fits = [a == b or a.startswith("{") for a, b in zip(wanted, parts, strict=False)]
            if len(wanted) == len(parts) and all(fits) and method in operations:
                found: dict[str, Any] = operations[method]
                if template == path or path not in self.document["paths"]:
                    return found
        return None


@cache
def _described() -> dict[str, Any]:
    """The API's description: the same for every platform, and slow to make."""
    with TemporaryDirectory() as folder:
        return create_app(open_platform(folder)).openapi()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def platform(tmp_path: Path, clock: VirtualClock) -> Iterator[Platform]:
    opened = open_platform(tmp_path, overrides={"tracking": "off"}, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def client(platform: Platform) -> CheckingClient:
    return CheckingClient(create_app(platform))


@pytest.fixture
def client_of() -> type[Client]:
    """A client for an application that a test makes itself."""
    return Client


@pytest.fixture
def declared(platform: Platform) -> None:
    """The worker has told what the project's files declare."""
    declaration = Declaration(name="demand", source="a.csv", target="sold", retrain=(NewData(),))
    plain = {"name": "demand", "target": "sold", "drift": {"psi": 0.3}, "source": declaration.source}
    write_declared(platform.storage, [DeclaredModel(name="demand", file="demand.py", declaration=plain)])


@pytest.fixture
def release(platform: Platform) -> Callable[..., Rollout]:
    """`release("first")` registers a version and asks for its rollout: the first goes live, later ones by canary."""

    def release(name: str, *, needs_approval: bool = False, **values: Any) -> Rollout:
        version = ModelVersion(
            id=f"version-{name}",
            model="demand",
            number=0,
            run=f"run-{name}",
            task="regression",
            folder=f"bundles/{name}",
            digest="0" * 64,
            evaluated=None,
            dataset="1" * 64,
            code="2" * 64,
            created=platform.clock.now(),
            gate=Decision(passed=True, reasons=(Reason(rule="rmse", finding="pass", text="rmse 1.0"),)),
            needs_approval=needs_approval,
            **values,
        )
        platform.storage.put(f"bundles/{name}/card.md", f"# {name}\n".encode())
        registered = platform.registry.register(version)
        return platform.rollouts.request(registered, Canary(steps=(10, 100)), rollout_id=f"rollout-{name}")

    return release


@pytest.fixture
def run(platform: Platform) -> Callable[..., str]:
    """`run("succeeded")`: a run that took a snapshot, checked it and ended so; its id."""

    def run(status: str, *, bad_rows: int = 0) -> str:
        submitted = platform.journal.submit("demand", cause="by hand", actor="ann")
        claim = platform.journal.claim("worker/1", run_id=submitted.id)
        assert claim is not None
        taken = DatasetVersion(
            digest="a" * 64, dataset="demand", source="a.csv", parts=(), rows=100, kinds={"x": "text"}
        )
        accepted = DatasetVersion(
            digest="b" * 64, dataset="demand", source="a.csv", parts=(), rows=100 - bad_rows, kinds={"x": "text"}
        )
        for version in (taken, accepted):
            platform.storage.put(f"datasets/demand/versions/{version.digest}.json", to_json(version))
        report = ValidationReport(
            dataset="demand",
            decision=Decision(passed=True, reasons=()),
            accepted=accepted,
            bad_rows=bad_rows,
            quarantine="quarantine/demand/1.parquet" if bad_rows else None,
            broken={"x is null": bad_rows} if bad_rows else {},
        )
        for place, (name, result) in enumerate({"dataset_version": taken, "validation_report": report}.items()):
            platform.journal.begin_stage(claim, name, place)
            platform.journal.finish_stage(claim, name, result)
        platform.journal.finish(claim, status, summary="so it ended")
        platform.clock.sleep(1)
        return submitted.id

    return run
