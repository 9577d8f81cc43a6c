"""A door of the platform: a process of its own that listens, opened again when it ends before its time."""

from __future__ import annotations

import logging
import os
import signal
import ssl
import subprocess
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from loopwright.core.clock import Clock
from loopwright.core.tls import trusting
from loopwright.errors import HostingError

log = logging.getLogger("loopwright.up")

READY_SECONDS = 60
"""How long a door may take to open."""

CLOSE_SECONDS = 40
"""How long a door may take to finish what it does; an inference server drains for 30."""

STEADY = timedelta(minutes=1)
"""A door that stood open for this long did not end because of how it was opened."""

LONGEST_PAUSE = 30.0
LOG_BYTES = 10_000_000


class Door:
    """What is started, what says that it is open (`ready`, a URL), and where its words go (`log`).

    Where it has a `certificate`, it is trusted by that. Raises `SettingsError` where the file holds none.
    """

    def __init__(
        self, name: str, command: Sequence[str], ready: str, log: Path, clock: Clock, certificate: Path | None = None
    ) -> None:
        self.name, self.command, self.ready, self.log, self.clock = name, list(command), ready, log, clock
        self._trusted = trusting(certificate) if certificate else None
        self.process: subprocess.Popen[bytes] | None = None
        self._where: tuple[Path, Mapping[str, str]] = (Path(), os.environ)
        self._opened = clock.now()
        self._due: datetime | None = None
        self._soon = 0

    def open(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Start the process in `folder`; it is not awaited."""
        self._where = (folder, environment)
        self._opened, self._due = self.clock.now(), None
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".old.log"))
        with self.log.open("ab") as said:
            # A session of its own: Ctrl-C reaches the platform's process alone, which then closes its doors in order.
            # The pipe on standard input closes when that process dies, however it dies, and the door with it.
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=said,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )

    def wait(self, stopping: threading.Event) -> None:
        """Until it answers, or somebody wants to stop. Raises `HostingError` that says what it said last."""
        for _ in range(READY_SECONDS * 20):
            if stopping.is_set() or _answers(self.ready, self._trusted):
                return
            if self.process is None or self.process.poll() is not None:
                break
            self.clock.sleep(0.05)
        said = " / ".join(self.log.read_text(errors="replace").splitlines()[-4:])
        raise HostingError(f"the {self.name} does not open: {said or 'it said nothing'}", remedy=f"read {self.log}")

    def look(self) -> str:
        """Open it again where it has ended, later each time that it ends soon; what is to be told, if anything."""
        if self.process is None or self.process.poll() is None:
            return ""
        now = self.clock.now()
        if self._due is None:
            self._soon = self._soon + 1 if now - self._opened < STEADY else 0
            pause = min(LONGEST_PAUSE, 0.25 * 2**self._soon)
            self._due = now + timedelta(seconds=pause)
            return f"the {self.name} {_how_it_ended(self.process)}; it is opened again in {pause:g} s (see {self.log})"
        if now >= self._due:
            self._let_go()
            self.open(*self._where)
        return ""

    def close(self) -> None:
        """Ask it to finish and end, and wait for that."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=CLOSE_SECONDS)
            except subprocess.TimeoutExpired:
                log.warning("the %s did not end in %d s and is killed", self.name, CLOSE_SECONDS)
                self.process.kill()
                self.process.wait()
        self._let_go()

    def _let_go(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()


def _answers(url: str, trusted: ssl.SSLContext | None) -> bool:
    parts = urlsplit(url)
    place = (parts.hostname or "", parts.port or 80)
    connection = HTTPSConnection(*place, timeout=2, context=trusted) if trusted else HTTPConnection(*place, timeout=2)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status < 500
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _how_it_ended(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
