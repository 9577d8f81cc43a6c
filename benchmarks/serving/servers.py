"""Servers as processes of their own: started on their core, known to answer rightly, stopped with all they started."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from loopwright.core.sockets import free_port
from serving.load import ask

READY_SECONDS = 120.0


class CannotStartError(Exception):
    """A server did not come up, or answers wrongly; the message is the reason."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a server is started and asked. `command` takes the port; `read` finds the probabilities in an answer.

    One that `shares` another plan's process is only asked differently.
    """

    name: str
    command: Callable[[int], Sequence[str]]
    requests: Sequence[bytes]
    expected: Sequence[Sequence[float]]
    read: Callable[[bytes], Sequence[float]]
    env: dict[str, str] = field(default_factory=dict)
    folder: Path | None = None
    endpoint: str = ""
    shares: str = ""
    tolerance: float = 1e-5


@dataclass(frozen=True, kw_only=True)
class Running:
    """A server that has answered its first request rightly."""

    plan: Plan
    port: int
    process: subprocess.Popen[bytes]
    ready_seconds: float
    log: Path

    @property
    def processes(self) -> list[int]:
        """The process and all below it."""
        return descendants(self.process.pid)

    def asked(self, plan: Plan) -> Running:
        """The same server, asked by another plan. Raises `CannotStartError` where it answers wrongly."""
        _check_all(plan, self.port)
        return replace(self, plan=plan)


@contextmanager
def running(plan: Plan, cores: frozenset[int]) -> Iterator[Running]:
    """The plan's server on these cores. Raises `CannotStartError`."""
    port = free_port()
    with tempfile.NamedTemporaryFile(prefix="loopwright-bench-", suffix=".log") as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            plan.command(port),
            stdout=log,
            stderr=log,
            cwd=plan.folder,
            env={**os.environ, **ONE_THREAD, **plan.env},
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        path = Path(log.name)
        try:
            _until_ready(plan, port, process, path)
            ready = time.perf_counter() - began
            _check_all(plan, port)
            yield Running(plan=plan, port=port, process=process, ready_seconds=ready, log=path)
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
    """The resident memory of a process, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024 / 1e6
    raise ProcessLookupError(pid)


def processor_seconds(pids: Sequence[int]) -> float:
    """The processor time that these processes have taken, in user and in system mode."""
    ticks = 0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _until_ready(plan: Plan, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline, said = time.monotonic() + READY_SECONDS, "it never listened"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CannotStartError(f"it ended with status {process.returncode}: {_tail(log)}")
        try:
            status, body = ask(port, plan.requests[0])
            if status == 200:
                return
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


def _tail(log: Path) -> str:
    return " | ".join(log.read_text(errors="replace").strip().splitlines()[-6:])


ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
