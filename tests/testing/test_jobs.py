"""The compute that runs jobs where it is called, through the exam; and how it tells of a crash."""

import pytest

from loopwright.testing.exams.compute import ComputeExam, submit
from loopwright.testing.jobs import InProcessCompute, stand_in
from loopwright.testing.storage import MemoryStorage


@pytest.fixture
def storage():
    return MemoryStorage()


class TestInProcessCompute(ComputeExam):
    @pytest.fixture
    def compute(self, storage):
        return InProcessCompute(storage, lambda document: stand_in(document, storage))


@pytest.mark.parametrize("crash", [RuntimeError("boom"), SystemExit("boom")])
def test_what_leaves_the_work_is_a_crash(storage, crash):
    def work(document):
        raise crash

    compute = InProcessCompute(storage, work)
    status = compute.poll(submit(compute, storage, do="anything"))
    assert status.state == "failed"
    assert "boom" in status.reason
    assert list(storage.list("jobs/job-1")) == ["jobs/job-1/document.json"]
