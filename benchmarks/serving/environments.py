"""The peers: each in a virtual environment of its own, made by uv in a folder outside the repository and kept there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loopwright.core.sockets import free_port
from serving.bodies import post_json, v2_probabilities
from serving.plans import PEERS, Asked, infer, model_env
from serving.servers import CannotStartError, Plan

PACKAGES: Mapping[str, Sequence[str]] = {
    "mlserver": ["mlserver"],
    "bentoml": ["bentoml"],
    "litserve": ["litserve"],
    "ray": ["ray[serve]"],
    "mlflow": ["mlflow"],
    "fastapi": ["fastapi", "uvicorn[standard]"],
}
"""What their documentation says to install, beside ONNX Runtime."""
TUNED = ("mlserver", "bentoml", "mlflow")
"""Those that come without the fast event loop and HTTP parser: with them they are shown too, but not counted."""
WITH_HTTPTOOLS = "with httptools"
QUIET = {
    "BENTOML_DO_NOT_TRACK": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
}


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A peer's environment, the model to serve, and a folder for what it needs on disk."""

    name: str
    bin: Path
    questions: Asked
    scratch: Path

    def plan(self, command: Callable[[int], Sequence[str]], requests: Sequence[bytes], **given: object) -> Plan:
        plan = {
            "name": self.name,
            "command": command,
            "requests": requests,
            "expected": self.questions.expected,
            "read": _numbers,
            "env": self.env,
            "folder": PEERS,
            **given,
        }
        return Plan(**plan)  # type: ignore[arg-type]

    @property
    def env(self) -> dict[str, str]:
        path = {"PYTHONPATH": str(PEERS), "PATH": f"{self.bin}:{os.environ['PATH']}"}
        return {**QUIET, **model_env(self.questions.made), **path}

    def program(self, name: str) -> str:
        return str(self.bin / name)

    def rows(self, path: str, field: str = "rows") -> list[bytes]:
        return self.questions.requests(lambda _, rows: post_json(path, {field: rows.rows()}))


def peer_plans(names: Sequence[str], questions: Asked, cache: Path, scratch: Path) -> tuple[list[Plan], dict[str, str]]:
    """How the peers are started, and the reasons why some cannot be; several plans where batching may help or not."""
    found: list[Plan] = []
    reasons: dict[str, str] = {}
    for name in names:
        try:
            found += _PLANS[name](_peer(name, questions, cache, scratch))
            if name in TUNED:
                tuned = _peer(name, questions, cache, scratch, tuned=True)
                found.append(_PLANS[name](tuned)[0])
        except CannotStartError as error:
            reasons[name] = str(error)
    return found, reasons


def counted(name: str) -> bool:
    """Whether a plan of this name is a framework as its documentation has it, and not something for comparison."""
    return name != "fastapi" and WITH_HTTPTOOLS not in name


def environment(folder: Path, packages: Sequence[str]) -> Path:
    """A virtual environment, made if it is not there. Raises `CannotStartError` where that fails."""
    if (folder / "complete").exists():
        return folder
    uv = shutil.which("uv")
    if uv is None:
        raise CannotStartError("uv is not installed, which makes the peers' environments")
    _run([uv, "venv", "--clear", str(folder)])
    _run([uv, "pip", "install", "--python", str(folder / "bin" / "python"), *packages, "onnxruntime", "numpy"])
    (folder / "complete").touch()
    return folder


def _peer(name: str, questions: Asked, cache: Path, scratch: Path, *, tuned: bool = False) -> Peer:
    packages = [*PACKAGES[name], "uvicorn[standard]"] if tuned else PACKAGES[name]
    short = f"{name}-tuned" if tuned else name
    (scratch / short).mkdir(parents=True, exist_ok=True)
    return Peer(
        name=f"{name}, {WITH_HTTPTOOLS}" if tuned else name,
        bin=environment(cache / short, packages) / "bin",
        questions=questions,
        scratch=scratch / short,
    )


def _mlserver(peer: Peer) -> list[Plan]:
    def start(batching: bool) -> Plan:
        folder = peer.scratch / ("batching" if batching else "plain")
        folder.mkdir(exist_ok=True)
        model = {"name": "forest", "implementation": "mlserver_app.Forest"}
        batch = {"max_batch_size": 32, "max_batch_time": 0.001} if batching else {}
        (folder / "model-settings.json").write_text(json.dumps(model | batch))

        def command(port: int) -> list[str]:
            settings = {
                "host": "127.0.0.1", "http_port": port, "grpc_port": free_port(), "metrics_port": free_port(),
                "parallel_workers": 0, "debug": False,
            }  # fmt: skip
            (folder / "settings.json").write_text(json.dumps(settings))
            return [peer.program("mlserver"), "start", str(folder)]

        requests = peer.questions.requests(infer, "forest")
        return peer.plan(command, requests, name=_named(peer, batching), read=v2_probabilities)

    return [start(False), start(True)]


def _bentoml(peer: Peer) -> list[Plan]:
    def command(port: int) -> list[str]:
        return [peer.program("bentoml"), "serve", "bentoml_app:Forest", "--host", "127.0.0.1", "--port", str(port)]

    return _with_and_without(peer, command, peer.rows("/predict"), BENTOML_HOME=str(peer.scratch))


def _litserve(peer: Peer) -> list[Plan]:
    return _with_and_without(
        peer, lambda port: [peer.program("python"), "litserve_app.py", str(port)], peer.rows("/predict")
    )


def _ray(peer: Peer) -> list[Plan]:
    return _with_and_without(peer, lambda port: [peer.program("python"), "ray_app.py", str(port)], peer.rows("/"))


def _mlflow(peer: Peer) -> list[Plan]:
    folder = peer.scratch / "model"
    if not folder.exists():
        _run([peer.program("python"), "mlflow_app.py", str(folder)], env=peer.env, cwd=PEERS)
    return [peer.plan(mlflow_command(peer.program("mlflow"), folder), peer.rows("/invocations", "inputs"))]


def _fastapi(peer: Peer) -> list[Plan]:
    options = ["--no-access-log", "--log-level", "warning"]
    return [
        peer.plan(
            lambda port: [peer.program("uvicorn"), "fastapi_app:app", "--port", str(port), *options],
            peer.rows("/predict"),
        )
    ]


def mlflow_command(program: str, folder: Path) -> Callable[[int], list[str]]:
    """MLflow's own scoring server for the model in `folder`, one worker."""
    return lambda port: [
        program, "models", "serve", "-m", str(folder), "--env-manager", "local", "--workers", "1",
        "--host", "127.0.0.1", "--port", str(port),
    ]  # fmt: skip


def _with_and_without(
    peer: Peer, command: Callable[[int], Sequence[str]], requests: Sequence[bytes], **env: str
) -> list[Plan]:
    batching = {"BENCH_BATCH": "1"}
    return [
        peer.plan(command, requests, env=peer.env | env),
        peer.plan(command, requests, env=peer.env | env | batching, name=_named(peer, True)),
    ]


def _named(peer: Peer, batching: bool) -> str:
    return f"{peer.name}, batching" if batching else peer.name


def _numbers(body: bytes) -> list[float]:
    document = json.loads(body)
    if isinstance(document, dict):
        document = document.get("probability", document.get("predictions"))
    return list(document)


def _run(command: Sequence[str], **given: object) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **given)  # type: ignore[call-overload]
    if done.returncode:
        raise CannotStartError(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-300:]}")


_PLANS: Mapping[str, Callable[[Peer], list[Plan]]] = {
    "mlserver": _mlserver,
    "bentoml": _bentoml,
    "litserve": _litserve,
    "ray": _ray,
    "mlflow": _mlflow,
    "fastapi": _fastapi,
}
