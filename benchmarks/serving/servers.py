"""Servers as processes of their own: started on their core, known to answer rightly, stopped with all they started."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from serving.load import ask

READY_SECONDS = 120.0


class CannotStartError(Exception):
    """A server did not come up, or answers wrongly; the message is the reason."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a server is started and asked. `command` takes the port; `read` finds the probabilities in an answer."""

    name: str
    command: Callable[[int], Sequence[str]]
    requests: Sequence[bytes]
    expected: Sequence[Sequence[float]]
    read: Callable[[bytes], Sequence[float]]
    env: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    tolerance: float = 1e-5


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server that has answered its first request rightly."""

    plan: Plan
    port: int
    process: subprocess.Popen[bytes]
    ready_seconds: float

    @property
    def processes(self) -> list[int]:
        """The process and all below it."""
        return descendants(self.process.pid)


@contextmanager
def running(plan: Plan, cores: frozenset[int]) -> Iterator[Running]:
    """The plan's server on these cores. Raises `CannotStartError`."""
    port = free_port()
    with tempfile.TemporaryFile() as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            plan.command(port),
            stdout=log,
            stderr=log,
            cwd=plan.folder,
            env={**os.environ, **ONE_THREAD, **plan.env},
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        try:
            _until_right(plan, port, process, log)
            yield Running(plan=plan, port=port, process=process, ready_seconds=time.perf_counter() - began)
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and after a while SIGKILL, for the process; then SIGKILL for what it has left behind."""
    family = descendants(process.pid)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    for pid in family:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def descendants(pid: int) -> list[int]:
    """`pid` and every process below it."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def resident(pid: int) -> float:
    """The resident memory of a process, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def python_command(*arguments: str) -> Callable[[int], list[str]]:
    """This interpreter with `arguments`, in which PORT is replaced."""
    return lambda port: [sys.executable, *(one.replace("PORT", str(port)) for one in arguments)]


def v2_probabilities(body: bytes) -> list[float]:
    """The numbers of an answer in Open Inference Protocol v2."""
    (found,) = [one["data"] for one in json.loads(body)["outputs"] if one["datatype"].startswith("FP")]
    return list(found)


def _until_right(plan: Plan, port: int, process: subprocess.Popen[bytes], log: object) -> None:
    deadline, said = time.monotonic() + READY_SECONDS, "it never listened"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CannotStartError(f"it ended with status {process.returncode}: {_tail(log)}")
        try:
            status, body = ask(port, plan.requests[0])
            if status == 200:
                return _check_all(plan, port)
            said = f"it answers {status}: {body[:300]!r}"
        except OSError as error:
            said = str(error)
        time.sleep(0.01)
    raise CannotStartError(f"{said}: {_tail(log)}")


def _check_all(plan: Plan, port: int) -> None:
    """Every request gets the model's own answer: no one is quick by being wrong."""
    for request, expected in zip(plan.requests, plan.expected, strict=True):
        status, body = ask(port, request)
        if status != 200:
            raise CannotStartError(f"it answers {status}: {body[:300]!r}")
        found = [float(one) for one in plan.read(body)]
        if len(found) != len(expected) or any(
            abs(one - other) > plan.tolerance for one, other in zip(found, expected, strict=True)
        ):
            raise CannotStartError(f"it answers {found[:3]} where {list(expected[:3])} is right")


def _tail(log: object) -> str:
    log.seek(0)  # type: ignore[attr-defined]
    return " | ".join(log.read().decode(errors="replace").strip().splitlines()[-6:])  # type: ignore[attr-defined]


ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")}
