"""The workers of one server know each other's totals, so that whichever is asked can speak for all."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from loopwright.core.codec import from_json, to_json
from loopwright.serving.metrics import prometheus
from loopwright.serving.totals import Labels, Tally, Totals, added

log = logging.getLogger("loopwright.serving")

Gauges = Callable[[], dict[str, float]]


@contextmanager
def meeting_place(spool: Path) -> Iterator[Path]:
    """The folder where a server's workers leave their totals, as long as the server lives."""
    spool.mkdir(parents=True, exist_ok=True)
    _clear(spool)
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", dir=spool, ignore_cleanup_errors=True) as path:
        yield Path(path)


class Colleagues:
    """A worker's own totals and gauges, told in `folder` once a second, and what the others told there.

    What a worker counted stays when it dies, but for its last second; its gauges go with it.
    """

    def __init__(self, folder: Path | None, totals: Totals, gauges: Gauges) -> None:
        self._own = folder / f"{os.getpid()}.json" if folder else None
        self._totals = totals
        self._gauges = gauges

    def tell(self) -> None:
        """Leave the figures of now for the others, as far as the disk takes them."""
        if self._own:
            partial = self._own.with_suffix(".partial")
            try:
                partial.write_bytes(to_json(self._told()))
                partial.replace(self._own)
            except OSError as error:
                log.warning("this worker's figures cannot be told to the others: %s", error)

    def prometheus(self, server: str) -> str:
        """The figures of all workers together, in Prometheus' text format."""
        told = [self._told(), *self._others()]
        alive = [one for one in told if _is_alive(one.pid)]
        gauges: dict[str, float] = {"workers": len(alive)}
        for one in alive:
            for name, value in one.gauges.items():
                before = gauges.get(name, 0)
                gauges[name] = max(before, value) if name.endswith("_seconds") else before + value
        return prometheus(server, added(dict(one.tallies) for one in told), gauges)

    def _told(self) -> _Told:
        return _Told(os.getpid(), self._gauges(), list(self._totals.tallies.items()))

    def _others(self) -> Iterator[_Told]:
        if self._own is None:
            return
        for path in sorted(self._own.parent.glob("*.json")):
            if path != self._own:
                with suppress(OSError, ValueError):  # it went meanwhile
                    yield from_json(path.read_bytes(), _Told)


@dataclass(frozen=True, slots=True)
class _Told:
    pid: int
    gauges: dict[str, float]
    tallies: list[tuple[Labels, Tally]]


_PREFIX = "totals-"


def _clear(spool: Path) -> None:
    """Take away the meeting places of servers that were killed."""
    for folder in spool.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdecimal() and (int(pid) == os.getpid() or not _is_alive(int(pid))):
            for path in folder.iterdir():
                path.unlink(missing_ok=True)
            folder.rmdir()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
