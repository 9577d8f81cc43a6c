"""A run replays what the champion was asked, and its gate listens; also a run that began before there were replays."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from loopwright import loop
from loopwright.bootstrap import worker as workers
from loopwright.bootstrap.session import Session
from loopwright.core.codec import from_plain
from loopwright.errors import StorageError
from loopwright.evaluation.gate import decide_gate
from loopwright.evaluation.records import EvaluationReport, GateDecision
from loopwright.evaluation.replay_records import ReplayReport
from loopwright.runs.records import Run
from loopwright.traffic.predictions import segment_key

from .conftest import MODEL, rows

Open = Callable[..., Session]


def capture(session: Session, count: int = 200, *, without: tuple[str, ...] = ()) -> None:
    """What a server would have kept of `count` rows that the champion answered a minute ago."""
    asked = rows(40, start=60).head(count).drop("sold", "id", *without)
    champion, began = session.champion(), session.platform.clock.now() - timedelta(minutes=1)
    frame = pl.DataFrame(
        {
            "prediction_id": [f"r{place}" for place in range(count)],
            "version": [champion.number] * count,
            "at": pl.Series([began + timedelta(milliseconds=place) for place in range(count)]),
            "key": pl.Series([None] * count, dtype=pl.String),
            "shadow": [False] * count,
            "output.prediction": session.predict(asked)["prediction"],
        }
    ).with_columns(asked.select(pl.all().name.prefix("input.")))
    sink = io.BytesIO()
    frame.write_parquet(sink)
    session.platform.storage.put(segment_key("demand", began, "server", 1), sink.getvalue())


def report_of(session: Session, run: Run) -> ReplayReport:
    results = {stage.name: stage.result for stage in session.platform.journal.stages(run.id)}
    return from_plain(results["replay_report"], ReplayReport)


def said(session: Session, run: Run) -> dict[str, str]:
    """What the gate found, by rule."""
    results = {stage.name: stage.result for stage in session.platform.journal.stages(run.id)}
    return {one["rule"]: one["finding"] for one in results["gate_decision"]["decision"]["reasons"]}


def test_a_later_candidate_is_asked_what_the_champion_was_asked(open_project: Open, project: Path) -> None:
    session = open_project()
    first = session.run()
    assert "no champion" in report_of(session, first).skipped
    assert not {one for one in said(session, first) if one.startswith("replay")}
    capture(session)
    rows(40, start=60).write_csv(project / "data" / "b.csv")
    second = session.run()
    assert second.status == "succeeded", second.summary
    report = report_of(session, second)
    assert (report.champion, report.rows, report.failed) == (1, 200, 0)
    assert report.differences is not None
    assert report.latency is not None
    assert said(session, second)["replay_errors"] == "pass"
    assert session.platform.storage.get(report.pictures["replay"])


def test_a_candidate_that_asks_for_more_than_callers_may_send_is_refused(open_project: Open, project: Path) -> None:
    less = MODEL.replace('key="id",', 'key="id", drop=["promotion"],')
    (project / "demand.py").write_text(less)
    session = open_project()
    session.run()
    capture(session, without=("promotion",))
    rows(40, start=60).write_csv(project / "data" / "b.csv")
    (project / "demand.py").write_text(MODEL)
    run = session.run()
    assert run.status == "refused"
    assert "the column 'promotion' is missing" in run.summary
    declared = MODEL.replace("Governor, Model", "Governor, Model, Replay").replace(
        'key="id",', 'key="id", replay=Replay(sent=["promotion"]),'
    )
    (project / "demand.py").write_text(declared)
    again = session.run()
    assert again.status == "succeeded", again.summary
    assert report_of(session, again).unheard == ("promotion",)
    assert said(session, again)["replay_differences"] == "warn"


def test_a_run_that_began_before_there_were_replays_goes_on(
    open_project: Open, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gate_decision(evaluation_report: EvaluationReport) -> GateDecision:
        return decide_gate(loop_gate, evaluation_report)

    def bundle() -> None:
        raise StorageError("the disk is full")

    session = open_project()
    loop_gate = session.platform.project.model("demand").declaration.gate
    old = {"gate_decision": gate_decision, "bundle": bundle}
    stages = tuple(old.get(one.__name__, one) for one in loop.STAGES if one is not loop.replay_report)
    with monkeypatch.context() as before:
        before.setattr(workers, "STAGES", stages)
        begun = session.run()
    assert begun.status == "failed"
    assert "replay_report" not in {stage.name for stage in session.platform.journal.stages(begun.id)}
    session.platform.journal.retry(begun.id)
    session.worker.work(run_id=begun.id)
    ended = session.platform.journal.get(begun.id)
    assert ended.status == "succeeded", ended.summary
    assert report_of(session, ended).skipped
    assert session.champion().number == 1
