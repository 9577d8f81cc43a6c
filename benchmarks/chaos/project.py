"""A store with bundles and revisions, and a server of it: what is disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cloudpickle
import httpx
import pyarrow.parquet as pq

from loopwright.adapters.obstore.storage import ObjectStorage, open_storage
from loopwright.bootstrap.predictor import load_predictor
from loopwright.bundle.outputs import task_signature
from loopwright.bundle.read import bundle_digest
from loopwright.bundle.records import Encoding, FeatureColumn, Input, Manifest
from loopwright.bundle.write import write_bundle
from loopwright.core.sockets import free_port
from loopwright.errors import LoopwrightError
from loopwright.ports.storage import upload_folder
from loopwright.traffic.records import (
    EndpointRevision,
    Variant,
    encode_revision,
    revision_digest,
    revision_key,
    revisions_folder,
)

ENDPOINT = "chaos"
NAMES = ("x", "n", "mood")
ENCODING = Encoding(columns=tuple(FeatureColumn(name=name, kind="number") for name in NAMES), names=NAMES)
ROWS: list[dict[str, Any]] = [{"x": place / 7, "n": place % 13, "mood": place % 100} for place in range(1000)]


def make_model(scale: float, trouble: str = "") -> Any:
    """`scale * (x + n)`. At rows of mood 0 it makes its `trouble`: it raises, or sleeps 0.1 s, or never comes back."""

    class Linear:
        def predict(self, matrix: Any) -> Any:
            import time

            if trouble and (matrix[:, 2] == 0).any():
                if trouble == "raises":
                    raise ValueError("mood is 0")
                time.sleep(0.1 if trouble == "sleeps" else 3600)
            return scale * (matrix[:, 0] + matrix[:, 1])

    return Linear()


@dataclass
class Project:
    """A store, the variants in it, and what each version says of `ROWS` when it is asked offline."""

    folder: Path
    url: str = field(init=False)
    storage: ObjectStorage = field(init=False)
    offline: dict[int, dict[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.url = str(self.folder / "store")
        self.storage = open_storage(self.url)

    def bundle(self, trouble: str = "") -> Variant:
        """A new version in the store."""
        version = len(self.offline) + 1
        folder = self._folder(version)
        folder.mkdir()
        signature = task_signature("regression", tuple(Input(name=name, kind="number") for name in NAMES), ())
        manifest = Manifest(
            model=ENDPOINT, task="regression", runtime="python", signature=signature, files={}, created=_now(),
            target="y",
        )  # fmt: skip
        model = cloudpickle.dumps(make_model(float(version), trouble))
        write_bundle(folder, manifest, encoding=ENCODING, reference=None, contents={"model.pkl": model})
        upload_folder(self.storage, f"bundles/{ENDPOINT}/{version}", folder)
        self.offline[version] = _offline(folder, [row for row in ROWS if row["mood"] or trouble in ("", "sleeps")])
        return self.variant(version)

    def variant(self, version: int) -> Variant:
        """One that was made before, to be served with all weight."""
        digest = bundle_digest(self._folder(version))
        key = f"bundles/{ENDPOINT}/{version}"
        return Variant(name="champion", version=version, bundle=key, weight=100, bundle_digest=digest)

    def release(self, variant: Variant) -> int:
        """Append a revision to the endpoint's chain; its number."""
        keys = list(self.storage.list(revisions_folder(ENDPOINT)))
        revision = EndpointRevision(
            endpoint=ENDPOINT, model=ENDPOINT, number=len(keys) + 1, variants=(variant,), actor="chaos",
            reason="chaos", cause=f"chaos {len(keys) + 1}", at=_now(),
            previous=revision_digest(self.storage.get(keys[-1])) if keys else "",
        )  # fmt: skip
        self.storage.create(revision_key(ENDPOINT, revision.number), encode_revision(revision))
        return revision.number

    def captured(self) -> list[str]:
        """The prediction ids in the store, as often as they are there."""
        keys = self.storage.list(f"predictions/{ENDPOINT}/")
        return [name for key in keys for name in pq.read_table(Path(self.url) / key)["prediction_id"].to_pylist()]

    def _folder(self, version: int) -> Path:
        return self.folder / f"bundle-{version}"


class Server:
    """A server process of the project, with two workers."""

    def __init__(self, project: Project, *options: str) -> None:
        self.log = project.folder / "server.log"
        self.port = free_port()
        command = [sys.executable, "-m", "loopwright.bootstrap.server", "--storage", project.url, "--workers", "2"]
        command += ["--port", str(self.port), "--spool", str(project.folder / "spool"), "--poll", "0.1", *options]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=5, trust_env=False)
        self.until(lambda: self.client.get("/ping").status_code == 200)

    def until(self, holds: Callable[[], bool], seconds: float = 20.0) -> None:
        """Return when `holds`. Raises `TimeoutError`."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if holds():
                    return
            except (httpx.TransportError, LoopwrightError):
                pass
            time.sleep(0.02)
        raise TimeoutError(f"it did not happen in {seconds} s: {self.log.read_text()[-2000:]}")

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get("/status").json()
        return found

    def workers(self) -> list[int]:
        pid = self.process.pid
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=40)

    def end(self) -> None:
        """Whatever has happened, leave nothing behind."""
        self.client.close()
        if self.process.poll() is None:
            for pid in (*self.workers(), self.process.pid):
                os.kill(pid, signal.SIGKILL)
            self.process.wait()


def _offline(folder: Path, rows: list[dict[str, Any]]) -> dict[float, float]:
    """Predictions by x, which no two rows share."""
    outputs = load_predictor(folder).predict({name: [row[name] for row in rows] for name in NAMES})
    return dict(zip([row["x"] for row in rows], outputs["prediction"].tolist(), strict=True))


def _now() -> datetime:
    return datetime.now(UTC)
