"""Endpoints on this machine: by the inference server that runs already, or by one started for the occasion."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx

from loopwright.adapters.obstore.storage import open_storage
from loopwright.core.clock import Clock, SystemClock
from loopwright.core.ids import of_endpoint
from loopwright.core.sockets import free_port
from loopwright.core.tls import trusting
from loopwright.errors import HostingError
from loopwright.traffic.records import revision_digest, revisions_folder


class LocalHosting:
    """Keeps the promise of `ports.Hosting`.

    `address` is where the platform's own server would be (`http://127.0.0.1:8401`); it is used if it comes to serve the
    endpoint's newest revision within `patience` seconds. It is shown the `token`, else the endpoint's of the
    `endpoint_tokens`, and trusted by its `certificate`, where it has these. `spool` is the folder of a started server's
    captures and bundle copies. A started server has `start_seconds` to become ready and as many to end.
    """

    def __init__(
        self,
        storage_url: str,
        *,
        address: str | None = None,
        token: str = "",
        endpoint_tokens: Mapping[str, str] | None = None,
        certificate: Path | None = None,
        spool: Path,
        patience: float = 6.0,
        start_seconds: float = 30.0,
        clock: Clock | None = None,
    ) -> None:
        self._storage_url = storage_url
        self._address = address
        self._token = token
        self._endpoint_tokens = endpoint_tokens or {}
        self._certificate = certificate
        self._spool = spool
        self._patience = patience
        self._start_seconds = start_seconds
        self._clock = clock or SystemClock()

    @contextmanager
    def reach(self, endpoint: str) -> Iterator[httpx.Client]:
        """See `loopwright.ports.hosting.Hosting.reach`. Raises `SettingsError` where the certificate is none."""
        digest = self._newest(endpoint)
        if self._address is not None:
            with self._client(self._address, endpoint) as client:
                if self._is_served(client, endpoint, digest):
                    yield client
                    return
        with self._started(endpoint, digest) as client:
            yield client

    def _client(self, address: str, endpoint: str) -> httpx.Client:
        token = self._token or of_endpoint(self._endpoint_tokens, endpoint)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        trusted = trusting(self._certificate) if self._certificate else True
        return httpx.Client(base_url=address, headers=headers, verify=trusted, trust_env=False)

    def _newest(self, endpoint: str) -> str:
        """The digest of the endpoint's newest revision: no two stores have the same one."""
        storage = open_storage(self._storage_url)
        keys = list(storage.list(revisions_folder(endpoint)))
        if not keys:
            raise HostingError(f"endpoint {endpoint} has no revision in {self._storage_url}", remedy="release it first")
        return revision_digest(storage.get(keys[-1]))

    def _is_served(self, client: httpx.Client, endpoint: str, digest: str) -> bool:
        for _ in range(max(1, round(self._patience / _PAUSE))):
            status = _ask(client)
            if status is None or endpoint in status["faults"]:
                return False
            if status["digests"].get(endpoint) == digest:
                return True
            self._clock.sleep(_PAUSE)
        return False

    @contextmanager
    def _started(self, endpoint: str, digest: str) -> Iterator[httpx.Client]:
        port = free_port()
        command = [sys.executable, "-m", "loopwright.bootstrap.server", "--storage", self._storage_url]
        command += ["--endpoint", endpoint, "--port", str(port), "--spool", str(self._spool), "--with-parent"]
        # Clients of this server are on this machine and have no token to show.
        environment = {name: value for name, value in os.environ.items() if name not in _TOKENS}
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
            try:
                with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                    self._wait_until_ready(process, client, endpoint, digest, log)
                    yield client
            finally:
                self._stop(process)

    def _wait_until_ready(
        self, process: subprocess.Popen[bytes], client: httpx.Client, endpoint: str, digest: str, log: IO[bytes]
    ) -> None:
        for _ in range(round(self._start_seconds / _PAUSE)):
            status = _ask(client)
            if status is not None and status["digests"].get(endpoint) == digest:
                return
            if status is not None and endpoint in status["faults"]:
                raise HostingError(
                    f"endpoint {endpoint}: {status['faults'][endpoint]}", remedy="release a version that can be loaded"
                )
            if process.poll() is not None:
                raise HostingError(f"the inference server for {endpoint} ended: {_tail(log)}", remedy=_REMEDY)
            self._clock.sleep(_PAUSE)
        raise HostingError(
            f"the inference server for {endpoint} was not ready in {self._start_seconds:g} s: {_tail(log)}",
            remedy=_REMEDY,
        )

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=self._start_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ask(client: httpx.Client) -> dict[str, Any] | None:
    """The server's status; None where none answers, or what answers is no inference server of ours."""
    try:
        response = client.get("/status")
        said = response.json() if response.status_code == 200 else None
    except (httpx.HTTPError, ValueError):
        return None
    return said if isinstance(said, dict) and said.keys() >= {"digests", "faults"} else None


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors="replace").strip()[-1000:] or "it said nothing"


_PAUSE = 0.05
_TOKENS = ("LOOPWRIGHT_TOKEN", "LOOPWRIGHT_ENDPOINT_TOKENS")
_REMEDY = "see what it said; `python -m loopwright.bootstrap.server` starts it by hand"
