"""A host in this process: it serves the newest revision of whatever endpoint is asked for, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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

    @contextmanager
    def reach(self, endpoint: str) -> Iterator[httpx.Client]:
        self._check(endpoint)
        handler = type("Handler", (_Handler,), {"host": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{server.server_address[1]}", trust_env=False) as client:
                yield client
        finally:
            server.shutdown()
            server.server_close()

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
        return self._load(fetch_folder(self._storage, variant.bundle, self._scratch))


class _Handler(BaseHTTPRequestHandler):
    host: InProcessHosting

    def do_GET(self) -> None:
        self._reply(200, {"revisions": self.host.revisions()})

    def do_POST(self) -> None:
        endpoint = self.path.split("/")[2]
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            self._reply(200, {"predictions": self.host.answer(endpoint, body["instances"])})
        except LoopwrightError as error:
            self._reply(400, {"error": error.message})

    def _reply(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: a fake has no log."""
