"""Subprocesses through the exam, and what they alone have: groups, locks and files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from loopwright.adapters.local.compute import SubprocessCompute
from loopwright.adapters.obstore.storage import open_storage
from loopwright.errors import JobError
from loopwright.testing.exams.compute import ProcessComputeExam, ended, submit, until

STAND_IN = str(Path(__file__).with_name("stand_in.py"))


@pytest.fixture
def storage(tmp_path):
    return open_storage(str(tmp_path / "store"))


@pytest.fixture
def reopen(storage, tmp_path):
    return lambda: SubprocessCompute(str(tmp_path / "store"), tmp_path / "jobs", command=[STAND_IN])


@pytest.fixture
def compute(reopen, monkeypatch):
    monkeypatch.setattr("loopwright.adapters.local.compute._GRACE", 0.5)
    compute = reopen()
    yield compute
    if (Path(compute._folder) / "job-1/log.txt").exists():
        compute.cancel("job-1")
    for child in compute._children:
        child.wait()


class TestSubprocessCompute(ProcessComputeExam):
    pass


def test_a_group_killed_at_one_blow_has_failed(compute, storage, tmp_path):
    handle = submit(compute, storage, do="wait")
    os.killpg(int((tmp_path / "jobs/job-1/group").read_text()), signal.SIGKILL)
    status = ended(compute, handle)
    assert status.state == "failed"
    assert "killed all at once" in status.reason


def test_a_zombie_does_not_count_as_running(compute, storage, tmp_path, reopen):
    """Another compute must see the end though the one that started the job never looks, and so never buries it."""
    handle = submit(compute, storage, do="exit", code=3)
    assert ended(reopen(), handle).state == "failed"
    group = int((tmp_path / "jobs/job-1/group").read_text())
    os.killpg(group, 0)  # still in the process table


def test_a_recycled_process_id_does_not_pass_for_the_job(compute, storage, tmp_path):
    handle = submit(compute, storage, do="exit", code=3)
    ended(compute, handle)
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    (tmp_path / "jobs/job-1/group").write_text(str(stranger.pid))
    assert compute.poll(handle).state == "failed"
    compute.cancel(handle)
    assert stranger.poll() is None
    stranger.communicate(b"\n")
    assert stranger.returncode == 0


def test_a_job_survives_the_kill_of_its_platform_and_another_process_sees_it_through(storage, tmp_path, reopen):
    platform = f"""
import os, signal
from pathlib import Path
from loopwright.adapters.local.compute import SubprocessCompute
from loopwright.adapters.obstore.storage import open_storage
from loopwright.testing.exams.compute import submit
compute = SubprocessCompute({str(tmp_path / "store")!r}, Path({str(tmp_path / "jobs")!r}), command=[{STAND_IN!r}])
submit(compute, open_storage({str(tmp_path / "store")!r}), do="wait")
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", platform])
    assert killed.returncode == -signal.SIGKILL
    compute = reopen()
    assert compute.submit("job-1") == "job-1"
    assert compute.poll("job-1").state == "running"
    storage.put("jobs/job-1/go", b"")
    assert ended(compute, "job-1").state == "succeeded"
    assert len(list(storage.list("jobs/job-1/attempts"))) == 1


def test_scratch_space_goes_when_the_job_has_left_its_result(compute, storage, tmp_path):
    scratch = tmp_path / "jobs/job-1/scratch"
    scratch.mkdir(parents=True)
    handle = submit(compute, storage, do="echo", text="hello")
    assert ended(compute, handle).state == "succeeded"
    until(lambda: not scratch.exists())


def test_an_interpreter_that_is_not_there_is_named(storage, tmp_path):
    compute = SubprocessCompute(str(tmp_path / "store"), tmp_path / "jobs", python="/nowhere/python")
    status = ended(compute, submit(compute, storage, do="echo", text="hello"))
    assert status.state == "failed"
    assert "/nowhere/python could not be started" in status.reason


def test_a_working_folder_that_cannot_be_made_is_told(storage, tmp_path):
    (tmp_path / "jobs").write_text("in the way")
    compute = SubprocessCompute(str(tmp_path / "store"), tmp_path / "jobs")
    with pytest.raises(JobError, match="job-1 could not be started") as caught:
        submit(compute, storage, do="echo", text="hello")
    assert caught.value.remedy
