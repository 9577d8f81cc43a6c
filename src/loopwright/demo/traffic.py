"""Traffic: a client that asks an endpoint over HTTP, steadily or for certain rows, and counts what comes back."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from loopwright.errors import HostingError

Row = Mapping[str, Any]


@dataclass
class Tally:
    """Requests sent and failed (refused, wrong, or unanswered), and the answered ones by the version that did."""

    sent: int = 0
    failed: int = 0
    versions: Counter[int] = field(default_factory=Counter)
    first_fault: str = ""


class Traffic:
    """Asks `endpoint` at `url` for rows, `batch` a request. Use it as a context manager, or `close` it."""

    def __init__(self, url: str, endpoint: str, *, per_second: float = 40.0, batch: int = 8) -> None:
        self.tally = Tally()
        self._pause, self._batch = 1 / per_second, batch
        self._client = httpx.Client(base_url=url, timeout=10.0)
        self._endpoint, self._path = endpoint, f"/endpoints/{endpoint}/invocations"
        self._counting = threading.Lock()
        self._stopping = threading.Event()
        self._rows: Sequence[Row] = ()
        self._thread: threading.Thread | None = None

    def ready(self) -> bool:
        """Whether the endpoint answers; it takes a server a moment to load a first version."""
        try:
            return self._client.get(f"/v2/models/{self._endpoint}/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def flow(self, rows: Sequence[Row]) -> None:
        """Ask for these rows, over and over, at a steady pace, in a thread of its own, in place of those before."""
        self._rows = rows
        if self._thread is None:
            self._thread = threading.Thread(target=self._flow, name="traffic", daemon=True)
            self._thread.start()

    def ask(self, rows: Sequence[Row]) -> list[float]:
        """What the endpoint predicts for each of these rows. Raises `HostingError` where a request fails."""
        answers: list[float] = []
        for start in range(0, len(rows), self._batch):
            fault, predictions = self._send(rows[start : start + self._batch])
            if fault:
                raise HostingError(f"the endpoint did not answer: {fault}", remedy="read the inference server's log")
            answers += predictions
        return answers

    def close(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._client.close()

    def __enter__(self) -> Traffic:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _flow(self) -> None:
        batches = self._batches()
        while not self._stopping.wait(self._pause):
            self._send(next(batches))

    def _batches(self) -> Iterator[Sequence[Row]]:
        while True:
            rows = self._rows
            for start in range(0, len(rows), self._batch):
                yield rows[start : start + self._batch]
                if self._rows is not rows:
                    break

    def _send(self, rows: Sequence[Row]) -> tuple[str, list[float]]:
        """What went wrong, or nothing, and the predictions."""
        fault, version, predictions = "", 0, []
        try:
            response = self._client.post(self._path, json={"instances": rows})
            if response.status_code == 200:
                predictions = response.json()["predictions"]
                version = int(response.headers["x-loopwright-version"])
            else:
                fault = f"{response.status_code}: {response.text[:200]}"
        except httpx.HTTPError as error:
            fault = f"{type(error).__name__}: {error}"
        with self._counting:
            self.tally.sent += 1
            self.tally.failed += bool(fault)
            self.tally.first_fault = self.tally.first_fault or fault
            if not fault:
                self.tally.versions[version] += 1
        return fault, predictions
