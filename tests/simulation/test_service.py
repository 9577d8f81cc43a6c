"""The loop, simulated: a few days of each trouble, and what is reported of them."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import replace
from html import escape
from pathlib import Path

import pytest

import loopwright
from loopwright.bootstrap.platform import open_platform
from loopwright.cli.main import main
from loopwright.demo.project import write_project
from loopwright.demo.retail import CALM, Chain, write_sales
from loopwright.errors import ConflictError, LoopwrightError, NotFoundError, RequestError, StorageError
from loopwright.simulation.page import to_html
from loopwright.simulation.records import (
    Arrivals,
    BadBatch,
    BadTraining,
    Drift,
    Labels,
    Outage,
    Scenario,
    SimulationReport,
)
from loopwright.simulation.words import facts

MODEL = """
from loopwright import Canary, Drift, Gate, Model, NewData

model = Model(
    "demand",
    source="data/*.parquet",
    target="sold",
    key="id",
    gate=Gate("rmse", at_most=3.0),
    rollout=Canary(steps=(50, 100), min_requests=5),
    retrain=[NewData(min_rows=100), Drift(min_rows=50)],
    {more}
)
"""

STORM = Scenario(
    name="storm",
    history=600,
    arrivals=Arrivals(per_day=150),
    labels=Labels(delay=0.5, per_day=60, noise=0.05),
    drift=(Drift(kind="concept", at=2, by=0.5),),
    outage=(Outage(of="source", at=1.0, lasts=0.5), Outage(of="serving", at=3.0, lasts=0.25)),
    bad_batch=(BadBatch(kind="nulls", at=3, share=0.5),),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.loop.conftest import rows

    folder = tmp_path_factory.mktemp("project")
    (folder / "data").mkdir()
    rows(120).drop("day").write_parquet(folder / "data" / "a.parquet")
    (folder / "demand.py").write_text(MODEL.format(more=""))
    return folder


@pytest.fixture(scope="module")
def storm(project: Path) -> SimulationReport:
    """Four days of a project's own rows, drawn anew."""
    return loopwright.simulate(project, STORM, days=4, seed=1)


def test_the_report_tells_every_day(storm: SimulationReport) -> None:
    assert [one.day for one in storm.days] == [0, 1, 2, 3]
    assert storm.rows == "resampled"
    assert storm.predictions == sum(one.requests for one in storm.days)
    assert 0 < storm.errors.oracle < storm.errors.never


def test_the_oracle_knows_of_the_drift_at_once_and_the_first_version_never(storm: SimulationReport) -> None:
    drifted = storm.days[3]
    assert drifted.oracle < drifted.never
    assert storm.days[0].loop == storm.days[0].never


def test_new_rows_made_the_loop_train_and_every_challenger_was_judged(storm: SimulationReport) -> None:
    assert storm.runs
    assert storm.judged
    assert storm.promotions + sum(not one.promoted for one in storm.judged) == len(storm.judged)


def test_requests_are_lost_while_nothing_answers(storm: SimulationReport) -> None:
    assert storm.failed == storm.days[3].failed > 0


def test_a_source_that_is_away_is_a_trouble_that_passes(storm: SimulationReport) -> None:
    assert any("simulated" in one for one in storm.troubles)


def test_the_change_is_among_what_happened(storm: SimulationReport) -> None:
    assert [one.day for one in storm.changes] == [2.0]
    assert any(one.kind == "world" and one.day == 2.0 for one in storm.marks)


def test_errors_are_what_a_metric_lacks_of_1_where_more_of_it_is_better(storm: SimulationReport) -> None:
    assert facts(storm)[0][0] == "rmse, the loop"
    assert facts(replace(storm, metric="roc_auc"))[0][0] == "1 − roc_auc, the loop"
    assert "Error (1 − roc_auc) by day" in to_html(replace(storm, metric="roc_auc"))


def test_the_page_has_the_curves_and_what_happened(storm: SimulationReport) -> None:
    page = to_html(storm)
    assert page.count("<polyline") == 3
    assert "storm" in page
    assert "<script" not in page


def test_what_learned_from_shuffled_labels_is_kept_out_and_rightly_so(project: Path) -> None:
    broken = Scenario(
        history=600,
        arrivals=Arrivals(per_day=200),
        labels=Labels(delay=0, per_day=120),
        bad_training=(BadTraining(kind="labels", at=0.5),),
    )
    report = loopwright.simulate(project, broken, days=2)
    assert set(report.runs) == {"refused"}
    assert report.wrong_promotions == report.missed_promotions == 0
    assert report.days[-1].version == 1


def test_a_project_that_has_no_first_version_cannot_be_simulated(project: Path, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(project / "data")
    (tmp_path / "demand.py").write_text(MODEL.format(more="").replace("at_most=3.0", "at_most=0.0001"))
    with pytest.raises(LoopwrightError, match="no first version"):
        loopwright.simulate(tmp_path, Scenario(history=300), rows="resampled", days=1)


def test_rows_of_our_own_stand_in_where_the_project_s_are_too_few_to_begin_with(tmp_path: Path) -> None:
    """The project that `init` writes, on its twenty-first day: five days are left of it, of which one is a test."""
    folder = tmp_path / "kept"
    write_project(tmp_path / "project", Chain(1))
    write_sales(Chain(1).sales(0, 20, CALM), tmp_path / "project" / "data" / "sales-1.csv")
    report = loopwright.simulate(
        tmp_path / "project", Scenario(history=1500), days=15, predictions_per_day=10, keep=folder
    )
    assert report.rows == "synthetic"
    assert "too few for any bound: rows in order must be of 10 moments or more, and these are of 1" in report.note
    assert escape(report.note) in to_html(report)
    assert len(report.days) == 15
    with closing(open_platform(folder)) as platform:
        assert [one.model for one in platform.journal.runs()][-1:] == ["retail-demand"]
        assert platform.registry.versions("retail-demand")[-1].number == 1


def test_a_replay_of_fewer_days_than_were_asked_for_says_so(project: Path, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(project / "data")
    still = MODEL.replace("retrain=[NewData(min_rows=100), Drift(min_rows=50)],", "")
    (tmp_path / "demand.py").write_text(still.format(more="order='rows',"))
    report = loopwright.simulate(tmp_path, Scenario(arrivals=Arrivals(per_day=10)), rows="replay", days=500)
    assert f"last for {len(report.days)} of 500 days" in report.note


@pytest.mark.parametrize(
    ("fails", "said"),
    [(False, "288 rows"), (True, "its run is failed")],
    ids=["a-scenario-of-its-own-columns", "a-training-that-fails"],
)
def test_nothing_stands_in_where_it_would_hide_what_is_wrong(tmp_path: Path, fails: bool, said: str) -> None:
    write_project(tmp_path, Chain(1))
    if fails:
        code = "\n\n@model.train\ndef train(data, params):\n    raise RuntimeError('no luck')\n"
        (tmp_path / "demand.py").write_text((tmp_path / "demand.py").read_text() + code)
    scenario = Scenario(history=1500, drift=(Drift(kind="covariate", at=2, by=1, column="discount"),))
    with pytest.raises(LoopwrightError, match=said):
        loopwright.simulate(tmp_path, scenario, days=90, predictions_per_day=10)


def test_a_folder_that_is_not_empty_is_left_alone(project: Path) -> None:
    with pytest.raises(ConflictError, match="not empty"):
        loopwright.simulate(project, "quiet", keep=project)


def test_a_project_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no folder"):
        loopwright.simulate(tmp_path / "misspelt", "quiet")


def test_a_scenario_that_is_not_there_is_named() -> None:
    with pytest.raises(NotFoundError, match="storm"):
        loopwright.simulate(None, "storm")


def test_the_command_tells_a_world_of_our_own_and_leaves_page_and_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page, kept = tmp_path / "report.html", tmp_path / "kept"
    words = ["simulate", "--days", "1", "--predictions-per-day", "60", "--output", str(page), "--keep", str(kept)]
    monkeypatch.setattr(sys, "argv", ["loopwright", *words, "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    told = json.loads(capsys.readouterr().out)
    assert ended.value.code == 0
    assert (told["rows"], told["wrong_promotions"], len(told["days"])) == ("synthetic", 0, 1)
    assert page.read_text().startswith("<!doctype html>")
    assert (kept / ".loopwright" / "state.db").exists()


def test_the_command_lists_the_scenarios(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["loopwright", "simulate", "--list"])
    with pytest.raises(SystemExit):
        main()
    assert "bad-challenger" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"days": 0}, "0 days"),
        ({"days": 99_999_999}, "99,999,999 days"),
        ({"seed": -1}, "the seed is -1"),
        ({"model": "sales"}, "sales is a model of no project"),
    ],
)
def test_what_cannot_be_simulated_is_refused_at_once(wrong, said):
    with pytest.raises(RequestError, match=said):
        loopwright.simulate(None, "quiet", **wrong)


def test_a_page_that_cannot_be_written_is_refused_before_the_work(monkeypatch, capsys, tmp_path):
    words = ["simulate", "--output", str(tmp_path / "nowhere" / "page.html")]
    monkeypatch.setattr(sys, "argv", ["loopwright", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "there is no folder" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        loopwright.simulate(None, "quiet", keep=tmp_path / "file" / "folder")
