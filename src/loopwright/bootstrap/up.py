"""`loopwright up`: the whole platform on one machine. The worker lives here; the doors are processes of their own."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from loopwright.bootstrap.platform import Platform
from loopwright.bootstrap.worker import Worker
from loopwright.errors import HostingError

Tell = Callable[[str], None]


@dataclass
class Door:
    """A child process that listens: how it is started, what says that it is ready, and how often it had to be."""

    name: str
    command: list[str]
    ready: str
    log: Path
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0


@dataclass
class Up:
    """The running platform: `start`, then `run` until `stop` is called from a signal or another thread."""

    platform: Platform
    tell: Tell = lambda _: None
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.worker = Worker(self.platform)
        self.doors = [self._inference_door(), self._control_door()]

    def start(self) -> None:
        """Bring both doors up. Raises `HostingError` where a port is taken or a door does not open."""
        settings = self.platform.settings
        for port, setting in ((settings.inference_port, "inference_port"), (settings.port, "port")):
            _check_free(settings.host, port, setting)
        _ = self.platform.state  # migrated before anybody else looks
        for door in self.doors:
            self._open(door)
        for door in self.doors:
            self._wait_for(door)

    def run(self) -> None:
        """Work and beat until stopped; then let go of everything in order: the run, the control door, the answers."""
        runs = threading.Thread(target=self._work, name="runs")
        runs.start()
        try:
            while not self.stopping.wait(self.platform.settings.tick_seconds):
                beat = self.worker.tick()
                for said in (*beat.done, *beat.troubles):
                    self.tell(said)
                self._reopen_closed_doors()
        finally:
            self.stopping.set()
            self.worker.stopping.set()
            runs.join()
            self.close()

    def stop(self) -> None:
        """Ask for the end; `run` returns when everything is put down."""
        self.stopping.set()

    def close(self) -> None:
        """Stop the doors: the control API first, the inference server (which drains and flushes) last."""
        for door in reversed(self.doors):
            if door.process is not None and door.process.poll() is None:
                door.process.terminate()
                try:
                    door.process.wait(timeout=40)
                except subprocess.TimeoutExpired:
                    door.process.kill()
        self.platform.close()

    def _work(self) -> None:
        while not self.stopping.is_set():
            run = self.worker.work()
            if run is None:
                self.stopping.wait(self.platform.settings.tick_seconds / 2)
            else:
                self.tell(f"run {run.id} of {run.model}: {run.status}" + (f" ({run.summary})" if run.summary else ""))

    def _open(self, door: Door) -> None:
        door.log.parent.mkdir(parents=True, exist_ok=True)
        with door.log.open("ab") as log:
            # A session of its own: Ctrl-C reaches this process alone, which then stops the others in order. The pipe
            # on standard input closes when this process dies, however it dies, and the door closes with it.
            door.process = subprocess.Popen(
                door.command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.platform.root,
                start_new_session=True,
            )
        door.starts += 1

    def _wait_for(self, door: Door) -> None:
        for _ in range(300):
            if door.process is None or door.process.poll() is not None:
                break
            try:
                if httpx.get(door.ready, timeout=1.0).status_code < 500:
                    return
            except httpx.HTTPError:
                pass
            self.platform.clock.sleep(0.1)
        said = "\n".join(door.log.read_text(errors="replace").splitlines()[-5:])
        self.close()
        raise HostingError(f"the {door.name} did not come up: {said or 'it said nothing'}", remedy=f"read {door.log}")

    def _reopen_closed_doors(self) -> None:
        for door in self.doors:
            if door.process is not None and door.process.poll() is not None:
                self.tell(f"the {door.name} ended with {door.process.returncode}; it is started again")
                self._open(door)

    def _inference_door(self) -> Door:
        settings, home = self.platform.settings, self.platform.home
        command = [sys.executable, "-m", "loopwright.bootstrap.server", "--with-parent"]
        command += ["--storage", settings.storage_url(self.platform.root), "--spool", str(home / "spool")]
        command += ["--host", settings.host, "--port", str(settings.inference_port)]
        command += ["--workers", str(settings.inference_workers), "--window", str(settings.window_seconds)]
        command += [] if settings.allow_pickle else ["--no-pickle"]
        url = f"{self.platform.inference_url}/v2/health/live"
        return Door("inference server", command, url, home / "logs" / "inference.log")

    def _control_door(self) -> Door:
        settings = self.platform.settings
        command = [sys.executable, "-m", "loopwright.bootstrap.control", "--with-parent"]
        command += ["--project", str(self.platform.root), "--host", settings.host, "--port", str(settings.port)]
        url = f"http://{settings.host}:{settings.port}/healthz"
        return Door("control API", command, url, self.platform.home / "logs" / "control.log")


def _check_free(host: str, port: int, setting: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise HostingError(
                f"port {port} on {host} is taken ({error.strerror})",
                remedy=f"stop what listens there, or choose another: `{setting}` in loopwright.toml",
            ) from None
