"""A backtest's job: started once, looked at without waiting, given up when it takes too long."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from loopwright.core.codec import to_json, to_plain
from loopwright.data.snapshot import make_version, version_key
from loopwright.errors import NotFoundError
from loopwright.ports.compute import JobResult, JobStatus, job_key
from loopwright.retraining.evidence import LIMIT, Evidence
from loopwright.retraining.records import Backtest, BacktestReport, RetrainRequest, SourceState
from loopwright.runs.jobs import Jobs
from loopwright.testing.storage import MemoryStorage
from loopwright.training.records import Candidate, SplitPlan

CANDIDATE = Candidate(
    id="c", model="demand", task="regression", folder="candidates/c", digest="", metric="rmse", params={},
    split=SplitPlan(kind="time", column="at"), score=None, threshold=0.5, features=(), importance={}, rows=10,
    trained_until="2026-01-01", seconds=0.0,
)  # fmt: skip


class Pending:
    """A compute whose jobs stand as they are told to."""

    def __init__(self) -> None:
        self.submitted: list[str] = []
        self.cancelled: list[str] = []
        self.status: JobStatus | None = JobStatus(state="running")

    def submit(self, job_id: str) -> str:
        self.submitted.append(job_id)
        return job_id

    def poll(self, handle: str) -> JobStatus:
        if self.status is None:
            raise NotFoundError(f"job {handle} was never started here")
        return self.status

    def cancel(self, handle: str) -> None:
        self.cancelled.append(handle)


class Bench:
    def __init__(self, place, folder: Path) -> None:
        self.storage, self.compute, self.clock = MemoryStorage(), Pending(), place.clock
        jobs = Jobs(self.storage, self.compute, self.clock)
        self.evidence = Evidence(
            jobs, place.journal, self.storage, folder, self.clock, lambda _: ("code/x.zip", "d.py")
        )
        self.champion = place.promote("first", until="2026-01-01")
        version = make_version("demand", "x.csv", [], {"at": "date"})
        self.source = SourceState(digest=version.digest, rows=150)
        self.storage.put(version_key("demand", version.digest), to_json(version))
        self.request = RetrainRequest(
            id="request-1", model="demand", trigger="drift", cause="x", reason="x", requested=self.clock.now(),
            actor="loop", version=1,
        )  # fmt: skip

    def look(self, had: Backtest | None = None) -> Backtest:
        return self.evidence.backtest(replace(self.request, backtest=had), self.champion, self.source)


@pytest.fixture
def bench(fresh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = Bench(fresh(), tmp_path)
    kept = {"candidate": to_plain(CANDIDATE)}
    monkeypatch.setattr("loopwright.retraining.evidence.stage_of", lambda run, name, journal: kept.get(name, {}))
    return made


def test_a_backtest_is_started_once_and_reported_when_it_is_there(bench):
    begun = bench.look()
    assert (begun.report, begun.job, bench.compute.submitted) == (None, "request-1-backtest-1", [begun.job])
    assert bench.look(begun).report is None
    assert bench.compute.submitted == [begun.job]
    report = BacktestReport(version=1, metric="rmse", tested=300)
    bench.storage.put(job_key(begun.job, "result.json"), to_json(JobResult(id=begun.job, result=to_plain(report))))
    assert bench.look(begun).report == report


def test_what_takes_too_long_is_cancelled_and_the_request_goes_on(bench):
    begun = bench.look()
    bench.clock.sleep(LIMIT.total_seconds())
    assert bench.look(begun).report is None
    bench.clock.sleep(1)
    assert bench.look(begun).report.trouble == "it took longer than 60 seconds"
    assert bench.compute.cancelled == [begun.handle]


def test_what_another_machine_runs_is_waited_for_as_long(bench):
    begun = bench.look()
    bench.compute.status = None
    assert bench.look(begun).report is None
    bench.clock.sleep((LIMIT + timedelta(seconds=1)).total_seconds())
    assert "longer than 60 seconds" in bench.look(begun).report.trouble
    assert bench.compute.cancelled == []


def test_a_job_that_dies_or_fails_says_why(bench):
    begun = bench.look()
    bench.compute.status = JobStatus(state="failed", reason="it was killed by signal 9")
    assert "killed by signal 9" in bench.look(begun).report.trouble
    failed = JobResult(id=begun.job, error="TrainingError", message="nothing to fit")
    bench.storage.put(job_key(begun.job, "result.json"), to_json(failed))
    assert bench.look(begun).report.trouble == "nothing to fit"


def test_another_champion_has_a_backtest_of_its_own(bench):
    begun = bench.look(Backtest(version=7, job="request-0-backtest-7", began=bench.clock.now()))
    assert (begun.version, begun.job) == (1, "request-1-backtest-1")


def test_where_none_can_be_had_it_says_why_and_starts_nothing(bench, monkeypatch):
    bench.source = SourceState(digest="f" * 64, rows=150)
    assert "are not kept" in bench.look().report.trouble
    monkeypatch.setattr("loopwright.retraining.evidence.stage_of", lambda *_: {})
    assert "which settings version 1 was trained" in bench.look().report.trouble
    assert bench.compute.submitted == []
