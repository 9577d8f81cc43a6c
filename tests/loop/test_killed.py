"""Kill -9 at any moment: the run goes on from the last finished stage, and no effect happens twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from loopwright.bootstrap.session import Session
from loopwright.rollout import ledger
from loopwright.state.outbox import recent

from .conftest import open_here

KILLER = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from loopwright.runs.service import Journal
from conftest import open_here
from pathlib import Path

when, stage = {when!r}, {stage!r}
begin, finish = Journal.begin_stage, Journal.finish_stage

def begin_stage(self, claim, name, place):
    found = begin(self, claim, name, place)
    if when == "before" and name == stage and found is None:
        os.kill(os.getpid(), signal.SIGKILL)
    return found

def finish_stage(self, claim, name, result):
    if when == "unsaved" and name == stage:
        os.kill(os.getpid(), signal.SIGKILL)
    finish(self, claim, name, result)
    if when == "after" and name == stage:
        os.kill(os.getpid(), signal.SIGKILL)

Journal.begin_stage, Journal.finish_stage = begin_stage, finish_stage
open_here(Path({root!r})).run()
"""


def run_and_die(root: Path, when: str, stage: str) -> None:
    """Turn the loop in a process of its own that is killed before, after, or just before keeping what `stage` made."""
    code = KILLER.format(tests=str(Path(__file__).parent), when=when, stage=stage, root=str(root))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def go_on(session: Session) -> None:
    """What the next start of the platform does: it finds its worker dead and takes the run up."""
    while session.worker.work() is not None:
        pass
    session.tick()


@pytest.mark.parametrize(
    ("when", "stage"),
    [
        ("before", "dataset_version"),
        ("unsaved", "dataset_version"),
        ("unsaved", "contract"),
        ("unsaved", "validation_report"),
        ("unsaved", "candidate"),
        ("before", "evaluation_report"),
        ("unsaved", "gate_decision"),
        ("unsaved", "bundle"),
        ("unsaved", "model_version"),
        ("after", "model_version"),
        ("unsaved", "staging_report"),
        ("unsaved", "rollout"),
        ("after", "rollout"),
    ],
)
def test_a_killed_run_is_finished_once(project: Path, when: str, stage: str) -> None:
    run_and_die(project, when, stage)
    session = open_here(project)
    go_on(session)
    (run,) = session.platform.journal.runs()
    assert run.status == "succeeded", run.summary
    assert [version.number for version in session.versions()] == [1]
    assert len(ledger.chain(session.platform.storage, "demand")) == 1
    assert len(ledger.chain(session.platform.storage, "demand-staging")) == 1
    told = [event.kind for event in recent(session.platform.state)]
    assert told.count("version.registered") == told.count("rollout.promoted") == told.count("run.succeeded") == 1
    session.close()


def test_a_real_job_outlives_its_killed_worker_and_is_not_started_again(project: Path) -> None:
    command = [sys.executable, "-m", "loopwright.cli.main", "run", "--project", str(project)]
    environment = {**os.environ, "LOOPWRIGHT_TRACKING": "off"}
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    session = open_here(project)
    documents = project / ".loopwright" / "store" / "jobs"
    while not list(documents.glob("*/document.json")):
        assert worker.poll() is None, worker.stderr.read().decode() if worker.stderr else ""
    worker.kill()
    worker.wait()
    go_on_elsewhere = subprocess.run(
        [sys.executable, "-m", "loopwright.cli.main", "tick", "--project", str(project), "--json"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=180,
        check=False,
    )
    assert go_on_elsewhere.returncode == 0, go_on_elsewhere.stdout + go_on_elsewhere.stderr
    (run,) = session.platform.journal.runs()
    assert run.status == "succeeded"
    assert len([one for one in documents.iterdir() if "-train-" in one.name]) == 1
    assert session.champion().number == 1
    session.close()
