"""`loopwright up`: the whole platform on one machine. The worker lives here; the doors are processes of their own."""

from __future__ import annotations

import fcntl
import importlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, TYPE_CHECKING

from loopwright.bootstrap.door import CLOSE_SECONDS, LOG_BYTES, Door
from loopwright.bootstrap.platform import Platform
from loopwright.core.codec import to_json
from loopwright.core.sockets import free_port
from loopwright.core.tls import check_certificate
from loopwright.errors import HostingError, StorageError
from loopwright.serving.options import LIMITS
from loopwright.settings import Settings

if TYPE_CHECKING:
    from loopwright.bootstrap.worker import Worker

Tell = Callable[[str], None]

log = logging.getLogger("loopwright.up")


@dataclass
class Up:
    """The running platform: `start`, then `run` until `stop` is called from a signal or another thread."""

    platform: Platform
    tell: Tell = lambda _: None
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._doors: list[Door] = []
        self._lock: IO[str] | None = None
        self._log: logging.Handler | None = None
        self._told: dict[str, set[str]] = {}

    def start(self) -> None:
        """Open the doors and get the worker ready.

        Raises `HostingError` where the project is up already, a port is taken or a door does not open; nothing runs
        then.
        """
        self._lock, was_killed = _take_lock(self.platform.home)
        try:
            self._log = _log_to(self.platform.home / "logs" / "up.log")
            self._take_ports(CLOSE_SECONDS if was_killed else 0)
            _ = self.platform.state  # migrated before anybody else looks
            self._doors = [self._inference_door(), self._control_door()]
            for door in self._doors:
                door.open(self.platform.root, _environment(self.platform.settings))
            # The worker's stages take a second to import, in which the doors open; and it is `up`'s alone.
            self.worker: Worker = importlib.import_module("loopwright.bootstrap.worker").Worker(self.platform)
            for door in self._doors:
                door.wait(self.stopping)
        except BaseException:
            self.close()
            raise

    def run(self) -> None:
        """Work and beat until stopped; then put everything down in order: the run, the control API, the answers."""
        threads = [threading.Thread(target=task, name=task.__name__) for task in (self._work, self._watch_doors)]
        for thread in threads:
            thread.start()
        try:
            while not self.stopping.is_set():
                beat = self.worker.tick()
                self._say(beat.done)
                self._say_news("beat", beat.troubles)
                self.stopping.wait(self.platform.settings.tick_seconds)
        finally:
            self.stop()
            for thread in threads:
                thread.join()
            self.close()

    def stop(self) -> None:
        """Ask for the end; `run` returns when everything is put down."""
        self.stopping.set()

    def close(self) -> None:
        """Close the doors: the control API first, the inference server (which drains and flushes) last."""
        for door in reversed(self._doors):
            door.close()
        self.platform.close()
        if self._log is not None:
            logging.getLogger("loopwright").removeHandler(self._log)
            self._log.close()
        if self._lock is not None:
            self._lock.truncate(0)
            self._lock.close()

    def _work(self) -> None:
        self.worker.stopping = self.stopping
        while not self.stopping.is_set():
            try:
                run = self.worker.work()
            except Exception as error:  # noqa: BLE001 - the database may be back at the next look
                self._say_news("runs", [f"runs: {error}"])
                run = None
            else:
                self._say_news("runs", [])
            if run is None:
                self.stopping.wait(self.platform.settings.tick_seconds / 2)
            elif run.status == "queued":
                self._say([f"run {run.id} of {run.model} waits for the next start"])
            else:
                self._say([f"run {run.id} of {run.model}: {run.status}" + (f" ({run.summary})" if run.summary else "")])

    def _watch_doors(self) -> None:
        while not self.stopping.wait(0.25):
            self._say(said for door in self._doors if (said := door.look()))

    def _say(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            log.info("%s", sentence)
            with suppress(OSError):  # the terminal may be gone; the log is not
                self.tell(sentence)

    def _say_news(self, where: str, troubles: list[str]) -> None:
        """A trouble that lasts is told once; one that comes back is told again."""
        before = self._told.get(where, set())
        self._told[where] = set(troubles)
        self._say(trouble for trouble in dict.fromkeys(troubles) if trouble not in before)

    def _take_ports(self, patience: int) -> None:
        """Make sure of the ports, and choose those that are 0. The doors of a killed platform may need a moment."""
        settings = self.platform.settings
        wanted = {name: getattr(settings, name) for name in ("port", "inference_port", "grpc_port")}
        wanted = {name: port for name, port in wanted.items() if port is not None}
        for _ in range(patience * 5):
            if all(_is_free(settings.host, port) for port in wanted.values()):
                break
            self.platform.clock.sleep(0.2)
        chosen = {name: _free_port(settings.host, port, name) for name, port in wanted.items()}
        self.platform.settings = settings.model_copy(update=chosen)

    def _inference_door(self) -> Door:
        settings, home = self.platform.settings, self.platform.home
        command = [sys.executable, "-m", "loopwright.bootstrap.server", "--with-parent"]
        command += ["--storage", settings.storage_url(self.platform.root), "--spool", str(home / "spool")]
        command += ["--host", settings.host, "--port", str(settings.inference_port)]
        command += ["--workers", str(settings.inference_workers), "--threads", str(settings.inference_threads)]
        for name in LIMITS:
            command += [f"--{name.replace('_', '-')}", str(getattr(settings, name))]
        command += ["--device", settings.inference_device]
        command += ["--trusted-network"] if settings.trusted_network else []
        command += [] if settings.allow_pickle else ["--no-pickle"]
        certificate, key = settings.tls_files(self.platform.root)
        check_certificate(certificate, key)
        command += ["--tls-certificate", str(certificate), "--tls-key", str(key)] if certificate else []
        command += ["--grpc-port", str(settings.grpc_port)] if settings.grpc_port is not None else []
        url = f"{self.platform.inference_url}/v2/health/live"
        return Door("inference server", command, url, home / "logs" / "inference.log", self.platform.clock, certificate)

    def _control_door(self) -> Door:
        settings = self.platform.settings
        command = [sys.executable, "-m", "loopwright.api.server", "--with-parent"]
        command += ["--project", str(self.platform.root)]
        url = f"http://{settings.host}:{settings.port}/healthz"
        return Door("control API", command, url, self.platform.home / "logs" / "control.log", self.platform.clock)


def _take_lock(home: Path) -> tuple[IO[str], bool]:
    """The project's lock, which the kernel takes back when this process ends; and whether the last one was killed."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        file = (home / "up.lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"{home} cannot be written: {error.strerror}", remedy="mend its permissions, or set another `home`"
        ) from error
    file.seek(0)
    process = file.read().strip()
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise HostingError(
            f"this project is up already (process {process})", remedy="stop that one first, or leave it running"
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file, bool(process)


def _log_to(path: Path) -> logging.Handler:
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    ours = logging.getLogger("loopwright")
    ours.addHandler(handler)
    ours.setLevel(logging.INFO)
    return handler


def _environment(settings: Settings) -> Mapping[str, str]:
    """What the doors are to see: the settings in force here, wherever each came from, and on no command line."""
    values = {name: getattr(settings, name) for name in settings.model_fields_set}
    said = {
        f"LOOPWRIGHT_{name.upper()}": value if isinstance(value, str) else to_json(value).decode()
        for name, value in values.items()
        if value is not None
    }
    return os.environ | said


def _is_free(host: str, port: int) -> bool:
    try:
        free_port(host, port)
    except OSError:
        return False
    return True


def _free_port(host: str, port: int, setting: str) -> int:
    """`port`, or any free one for 0."""
    try:
        return free_port(host, port)
    except OSError as error:
        raise HostingError(
            f"port {port} on {host} cannot be had ({error.strerror})",
            remedy=f"stop what listens there, or choose another: `{setting}` in loopwright.toml",
        ) from None
