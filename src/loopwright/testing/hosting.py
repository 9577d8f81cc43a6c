"""A host in this process: it serves the newest revision of any endpoint that is asked for, HTTP without sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from loopwright.errors import HostingError, LoopwrightError
from loopwright.ports.predictor import Predictor
from loopwright.ports.storage import Storage, fetch_folder
from loopwright.traffic.records import EndpointRevision, decode_revision, revisions_folder


class InProcessHosting:
    """`ports.Hosting` for tests: answers `/status` and `/endpoints/<name>/invocations` by the heaviest variant."""

    def __init__(self, storage: Storage, load: Callable[[Path], Predictor], scratch: Path) -> None:
        self._storage, self._load, self._scratch = storage, load, scratch
        self._loaded: dict[str, Predictor] = {}

    @contextmanager
    def reach(self, endpoint: str) -> Iterator[httpx.Client]:
        self._loaded = {}
        self._check(endpoint)
        with httpx.Client(base_url="http://in-process", transport=httpx.MockTransport(self._respond)) as client:
            yield client

    def revision(self, endpoint: str) -> EndpointRevision:
        *_, newest = self._storage.list(revisions_folder(endpoint))
        return decode_revision(self._storage.get(newest))

    def revisions(self) -> dict[str, int]:
        names = {key.split("/")[1] for key in self._storage.list("endpoints/")}
        return {name: self.revision(name).number for name in names}

    def answer(self, endpoint: str, instances: list[dict[str, Any]]) -> list[Any]:
        """One answer a row: the output itself where there is one, else outputs by name."""
        predictor = self._predictor(endpoint)
        names = list(instances[0])
        outputs = predictor.predict({name: [row.get(name) for row in instances] for name in names})
        rows = [
            dict(zip(outputs, values, strict=True))
            for values in zip(*(part.tolist() for part in outputs.values()), strict=True)
        ]
        return [next(iter(row.values())) for row in rows] if len(outputs) == 1 else rows

    def _respond(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"revisions": self.revisions()})
        endpoint = request.url.path.split("/")[2]
        try:
            return httpx.Response(
                200, json={"predictions": self.answer(endpoint, json.loads(request.content)["instances"])}
            )
        except LoopwrightError as error:
            return httpx.Response(400, json={"error": error.message})

    def _check(self, endpoint: str) -> None:
        if not any(self._storage.list(revisions_folder(endpoint))):
            raise HostingError(f"endpoint {endpoint} has no revision", remedy="release it first")
        try:
            self._predictor(endpoint)
        except LoopwrightError as error:
            raise HostingError(
                f"endpoint {endpoint}: {error}", remedy="release a version that can be loaded"
            ) from error

    def _predictor(self, endpoint: str) -> Predictor:
        variant = max(self.revision(endpoint).variants, key=lambda one: one.weight)
        if variant.bundle not in self._loaded:
            self._loaded[variant.bundle] = self._load(fetch_folder(self._storage, variant.bundle, self._scratch))
        return self._loaded[variant.bundle]
