"""Flights, on the real year: a SQL source that lets nothing through which is known only after departure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import loopwright

LATER = {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "hour", "minute"}


def test_late_arrivals_are_told_better_than_by_chance_from_what_is_known_before(
    example: Callable[[str], Path], rewrite: Callable[[Path, str, str], None]
) -> None:
    folder = example("flights")
    rewrite(folder / "flights.py", "trials=6", "trials=2")
    with loopwright.open(folder, tracking="off") as project:
        journal = project.platform.journal
        run = journal.submit("late-arrivals", cause="a test", actor="test")
        project.worker.work(run_id=run.id, only="gate_decision")
        made = {stage.name: stage.result for stage in journal.stages(run.id)}
    assert made["dataset_version"]["rows"] == 325_819
    candidate, report = made["candidate"], made["evaluation_report"]
    assert len(candidate["trials"]) == 2
    assert not LATER & set(candidate["features"])
    assert {"scheduled", "visib", "carrier"} <= set(candidate["features"])
    figure = report["metrics"]["candidate"]["roc_auc"]
    assert report["rows"] > 60_000
    assert 0.62 < figure["low"] < figure["value"] < 0.75
    assert {one["value"] for one in report["slices"]} >= {"EWR", "JFK", "LGA"}
    assert made["gate_decision"]["decision"]["passed"], made["gate_decision"]
