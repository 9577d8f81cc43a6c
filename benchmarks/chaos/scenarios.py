"""What is done to a server while it answers. Each says how often it did it, and what did not turn out as it must."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from chaos.project import ROWS, Project, Server
from chaos.verdict import Disturbed

Disturb = Callable[[Project, Server, float], Disturbed]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """`says` is for the table. `trouble` is what the model makes, `declared` the statuses that a client may get."""

    says: str
    disturb: Disturb
    trouble: str = ""
    declared: frozenset[int] = frozenset()
    options: tuple[str, ...] = ()
    only_good_rows: bool = False
    timeout_ms: int | None = None


def change_revisions(project: Project, server: Server, seconds: float) -> Disturbed:
    variants, done = [project.bundle() for _ in range(3)], Disturbed()
    for _ in _every(1.0, seconds):
        number = project.release(variants[done.happened % 3])
        done.happened += 1
        server.until(lambda number=number: server.status()["revisions"]["chaos"] >= number)
    return done


def kill_workers(project: Project, server: Server, seconds: float) -> Disturbed:
    done = Disturbed()
    for _ in _every(3.0, seconds):
        before = server.workers()
        os.kill(before[done.happened % 2], signal.SIGKILL)
        done.kills.append(time.time())
        done.happened += 1
        server.until(lambda before=before: len(set(server.workers()) - set(before)) == 1, 5.0)
    return done


def kill_control_plane(project: Project, server: Server, seconds: float) -> Disturbed:
    """A process that releases revisions as fast as it can is killed at it; the next goes on where it was."""
    done = Disturbed()
    project.bundle()
    command = [sys.executable, str(Path(__file__).parent.parent / "chaos.py"), "--release-into", str(project.folder)]
    for _ in _every(2.0, seconds):
        before = server.status()["revisions"]["chaos"]
        with subprocess.Popen(command) as writer:
            server.until(lambda before=before: server.status()["revisions"]["chaos"] > before)
            writer.kill()
        done.happened += 1
    if server.status()["faults"]:
        done.troubles.append(f"a revision cannot be served: {server.status()['faults']}")
    return done


def take_store_away(project: Project, server: Server, seconds: float) -> Disturbed:
    """Nothing can be read or written there for half of the time."""
    done, store = Disturbed(), Path(project.url)
    for _ in _every(3.0, seconds):
        store.rename(store.with_name("away"))
        store.write_bytes(b"no folder")
        time.sleep(1.5)
        store.unlink()
        store.with_name("away").rename(store)
        done.happened += 1
    return done


def corrupt_bundles(project: Project, server: Server, seconds: float) -> Disturbed:
    """Each new bundle is broken after its release was decided; it must be told, and the former one must serve on."""
    done = Disturbed()
    for _ in _every(1.0, seconds):
        bad = project.bundle()
        project.storage.put(f"{bad.bundle}/model.pkl", b"broken")
        number = project.release(bad)
        server.until(lambda number=number: f"revision {number} " in server.status()["faults"].get("chaos", ""))
        done.happened += 1
    if server.status()["revisions"]["chaos"] != 1:
        done.troubles.append("a corrupted bundle is in force")
    return done


def wait(project: Project, server: Server, seconds: float) -> Disturbed:
    """The model itself makes the trouble."""
    time.sleep(seconds)
    return Disturbed(happened=1)


def ask_for_ever(project: Project, server: Server, seconds: float) -> Disturbed:
    """A row that the model does not come back from is asked for: the worker must be replaced."""
    done, bad = Disturbed(), next(row for row in ROWS if row["mood"] == 0)
    for _ in _every(6.0, seconds):
        before = set(server.workers())
        try:
            server.client.post("/endpoints/chaos/invocations", json=[bad], timeout=10)
            done.troubles.append("the row was answered")
        except Exception as error:
            print(f"    {type(error).__name__}: {error}")
        done.kills.append(time.time())
        server.until(lambda before=before: set(server.workers()) != before, 2.0)
        done.happened += 1
    return done


def release_for_ever(folder: Path) -> None:
    """What `kill_control_plane` kills."""
    project = Project(folder)
    variants = [project.variant(version) for version in (1, 2)]
    while True:
        for variant in variants:
            project.release(variant)
            time.sleep(0.05)


def _every(pause: float, seconds: float) -> Iterator[None]:
    """Again and again after each pause, as long as there is time."""
    end = time.monotonic() + seconds
    time.sleep(min(pause, seconds / 3))
    while time.monotonic() < end:
        yield
        time.sleep(pause)


SCENARIOS = {
    "revisions": Scenario(says="a new revision every second", disturb=change_revisions),
    "kill": Scenario(says="kill -9 of a worker every 3 s", disturb=kill_workers),
    "control": Scenario(says="what writes revisions is killed every 2 s", disturb=kill_control_plane),
    "store": Scenario(says="the object store is gone half of the time", disturb=take_store_away),
    "corrupt": Scenario(says="a corrupted new bundle every second", disturb=corrupt_bundles),
    "raises": Scenario(
        says="the model raises at 1 % of rows", disturb=wait, trouble="raises", declared=frozenset({422})
    ),
    "sleeps": Scenario(
        says="the model sleeps 0.1 s at 1 % of rows; 0.05 s allowed", disturb=wait, trouble="sleeps",
        declared=frozenset({503, 504}), timeout_ms=50,
    ),
    "hangs": Scenario(
        says="the model never comes back", disturb=ask_for_ever, trouble="hangs", declared=frozenset({503, 504}),
        options=("--hang", "4"), only_good_rows=True,
    ),
}  # fmt: skip
