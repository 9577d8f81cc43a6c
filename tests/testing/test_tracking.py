"""The tracking store in dictionaries takes the same exam as MLflow."""

import pytest

from loopwright.testing.exams.tracking import SeenRun, TrackingExam
from loopwright.testing.tracking import MemoryTracking


class TestMemoryTracking(TrackingExam):
    @pytest.fixture
    def tracking(self):
        return MemoryTracking()

    @pytest.fixture
    def look(self, tracking):
        def look(model, run_id):
            return [seen(run) for run in tracking.runs.values() if (run.model, run.id) == (model, run_id)]

        return look

    @pytest.fixture
    def bundle(self, tmp_path):
        return tmp_path


def seen(run):
    return SeenRun(
        name=run.name,
        state=run.state,
        started=run.started,
        finished=run.finished,
        parent=run.parent,
        params=run.params,
        metrics=run.metrics,
        tags=run.tags,
        files={name: path.read_bytes() for name, path in run.files.items()},
    )
