"""The whole loop on small data, on SQLite and PostgreSQL: from file to champion, to the next champion, or refused."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from loopwright.bootstrap.session import Session
from loopwright.loop import STAGES
from loopwright.policies.rollout import Canary
from loopwright.rollout import ledger

from .conftest import MODEL, rows

Open = Callable[..., Session]


def tick_until(session: Session, done: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Beat the heart as `loopwright up` does, until what is waited for has happened."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, session.platform.rollouts.rollouts()
        session.tick()
        time.sleep(0.1)


def test_a_first_run_ends_with_a_champion(open_project: Open, state_url: str, project: Path) -> None:
    session = open_project(state=state_url)
    run = session.run()
    assert (run.status, run.fault) == ("succeeded", None)
    stages = session.platform.journal.stages(run.id)
    assert [stage.name for stage in stages] == [stage.__name__ for stage in STAGES]
    champion = session.champion()
    assert champion.number == 1
    assert champion.metrics["rmse"] < 3
    assert (project / "contracts" / "demand.odcs.yaml").exists()
    predicted = session.predict({"day": ["2026-03-02"], "shop": ["north"], "price": [2.0], "promotion": [False]})
    assert predicted["prediction"][0] == pytest.approx(16, abs=4)


def test_new_data_makes_a_second_champion_by_canary(open_project: Open, state_url: str, project: Path) -> None:
    session = open_project(state=state_url)
    session.run()
    rows(40, start=60).write_csv(project / "data" / "b.csv")
    run = session.run()
    assert run.status == "succeeded", run.summary
    assert session.platform.rollouts.aliases("demand") == {"champion": 1, "challenger": 2}
    tick_until(session, lambda: session.champion().number == 2)
    assert session.champion().anchor == 1
    assert ledger.verify(session.platform.storage, "demand") == []
    weights = [
        {one.version: one.weight for one in each.variants} for each in ledger.chain(session.platform.storage, "demand")
    ]
    assert weights == [{1: 100}, {1: 50, 2: 50}, {1: 0, 2: 100}, {2: 100}]


def test_unchanged_data_copies_nothing_and_appended_data_only_itself(open_project: Open, project: Path) -> None:
    session = open_project()

    def parts() -> set[str]:
        keys = session.platform.storage.list("datasets/demand/parts/")
        return {key for key in keys if key.endswith(".parquet")}

    session.run()
    first = parts()
    session.run()
    assert parts() == first
    rows(10, start=60).write_csv(project / "data" / "b.csv")
    session.run()
    assert len(parts() - first) == 1


def test_the_tick_sees_new_data_and_turns_the_loop_by_itself(open_project: Open, project: Path) -> None:
    session = open_project()
    session.run()
    rows(40, start=60).write_csv(project / "data" / "b.csv")

    def run_came() -> bool:
        session.worker.work()
        return len(session.platform.journal.runs()) == 2

    tick_until(session, run_came)
    (newest, _) = session.platform.journal.runs()
    assert newest.status == "succeeded"
    (request,) = session.platform.retraining.requests("demand")
    assert (request.trigger, request.status, request.run) == ("new_data", "accepted", newest.id)
    tick_until(session, lambda: session.champion().number == 2)
    session.tick()
    assert len(session.platform.journal.runs()) == 2, "the same data must not be asked for twice"


def test_a_gate_that_is_not_met_refuses_and_says_why(open_project: Open, project: Path) -> None:
    (project / "demand.py").write_text(MODEL.replace("at_most=3.0", "at_most=0.1"))
    session = open_project()
    run = session.run()
    assert run.status == "refused"
    assert re.search(r"rmse .* is not at most 0.1", run.summary)
    assert session.versions() == []
    assert ledger.endpoints(session.platform.storage) == []
    candidate = next(one for one in session.platform.journal.stages(run.id) if one.name == "candidate")
    assert list(session.platform.storage.list(candidate.result["folder"])), "a refused candidate is kept"


def test_a_worse_candidate_does_not_replace_the_champion(open_project: Open, project: Path) -> None:
    session = open_project()
    session.run()
    rows(40, start=60).write_csv(project / "data" / "b.csv")
    spoiled = (
        MODEL
        + """
@model.features
def features(rows):
    return rows.select("promotion")
"""
    )
    (project / "demand.py").write_text(spoiled)
    run = session.run()
    assert run.status == "refused"
    assert "champion" in run.summary
    assert session.champion().number == 1


def test_a_model_of_several_files_with_all_three_functions(open_project: Open, project: Path) -> None:
    (project / "shared_features.py").write_text("import polars as pl\n\ndef cheap():\n    return pl.col('price') < 2\n")
    (project / "demand.py").write_text(
        MODEL
        + """
from lightgbm import LGBMRegressor
from shared_features import cheap

@model.features
def features(rows):
    return rows.with_columns(cheap=cheap()).drop("day")

@model.train
def train(data, params):
    return LGBMRegressor(verbose=-1, n_estimators=60, **params).fit(data.X, data.y)

@model.tune(trials=3)
def search(trial):
    return {"num_leaves": trial.suggest_int("num_leaves", 4, 31)}
"""
    )
    session = open_project()
    run = session.run()
    assert run.status == "succeeded", run.summary
    candidate = next(one for one in session.platform.journal.stages(run.id) if one.name == "candidate").result
    assert len(candidate["trials"]) == 3
    assert "cheap" in candidate["features"]


def test_rows_that_break_the_contract_go_to_quarantine(open_project: Open, project: Path) -> None:
    session = open_project()
    session.run()
    rows(20, start=60).with_columns(
        price=pl.when(pl.col("id") % 40 == 0).then(pl.lit(-9999.0)).otherwise(pl.col("price"))
    ).write_csv(project / "data" / "b.csv")
    run = session.run()
    report = next(one for one in session.platform.journal.stages(run.id) if one.name == "validation_report").result
    assert report["bad_rows"] == 4
    kept = session.platform.storage.fetch(report["quarantine"], project / "quarantine")
    reasons = pl.read_parquet(kept)["reason"].to_list()
    assert all("price" in reason for reason in reasons)


def test_too_many_bad_rows_stop_the_run_before_training(open_project: Open, project: Path) -> None:
    session = open_project()
    session.run()
    rows(40, start=60).with_columns(price=pl.lit(-9999.0)).write_csv(project / "data" / "b.csv")
    run = session.run()
    assert run.status == "refused"
    assert "price" in run.summary or "contract" in run.summary
    assert [one.name for one in session.platform.journal.stages(run.id)][-1] == "validation_report"
    assert session.champion().number == 1


def test_a_threshold_is_chosen_and_kept_for_serving(open_project: Open, project: Path) -> None:
    (project / "demand.py").write_text(
        """
from loopwright import Gate, Model, Threshold

model = Model("promo", source="data/*.csv", target="promotion", key="id", threshold=Threshold("f1"),
              drop=["day"], gate=Gate("roc_auc", at_least=0.6))
"""
    )
    session = open_project()
    run = session.run()
    assert run.status == "succeeded", run.summary
    made = next(one for one in session.platform.journal.stages(run.id) if one.name == "bundle").result
    assert made["task"] == "binary"
    assert 0 < made["threshold"] < 1
    row = {"shop": ["north"], "price": [2.0], "sold": [30.0]}
    answer = session.predict(row, model="promo")
    said = "true" if answer["probability"][0] >= made["threshold"] else "false"
    assert str(answer["label"][0]).lower() == said


def test_ctrl_c_cancels_the_run_that_was_asked_for_by_hand(open_project: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    session = open_project()
    monkeypatch.setattr("loopwright.bootstrap.worker.STAGES", (interrupted,))
    with pytest.raises(KeyboardInterrupt):
        session.run()
    (run,) = session.platform.journal.runs()
    assert run.status == "cancelled"


def test_a_version_does_not_replace_a_champion_that_it_was_never_compared_with(
    open_project: Open, project: Path
) -> None:
    session = open_project()
    session.run()
    platform = session.platform
    rows(40, start=60).write_csv(project / "data" / "b.csv")
    late = platform.journal.submit("demand", cause="test", actor="ann")
    session.worker.work(run_id=late.id, only="champion")
    other = platform.registry.register(replace(session.champion(), id="other"))
    platform.rollouts.request(other, Canary(), rollout_id="other")
    platform.rollouts.promote("demand", actor="ann")
    ended = session.worker.work(run_id=late.id)
    assert ended is not None
    assert ended.status == "failed"
    assert "compared with version 1" in ended.summary
    assert platform.rollouts.aliases("demand") == {"champion": 2}


def interrupted() -> None:
    raise KeyboardInterrupt
