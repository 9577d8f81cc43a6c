"""The watch over live quality: captured predictions and outcomes in, findings out."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopwright.core.codec import to_json
from loopwright.declare import Model
from loopwright.evaluation.records import Estimate, EvaluationReport
from loopwright.monitoring.labels import watch_performance
from loopwright.monitoring.windows import window_of
from loopwright.outcomes.telling import record_outcomes
from loopwright.policies.retraining import Decay
from loopwright.state.engine import State
from loopwright.state.schema import prepare
from loopwright.traffic.outcomes import Outcome
from loopwright.traffic.predictions import segment_key
from tests.manifests import draft_manifest

DAY = timedelta(days=1)


@pytest.fixture
def state(tmp_path):
    opened = State(f"sqlite:///{tmp_path / 'state.db'}")
    prepare(opened)
    yield opened
    opened.close()


@pytest.fixture
def live(promote, storage) -> Callable[..., None]:
    """`live("first")`: a regression whose errors on its test rows were of size 1."""

    def make(name: str, *, tested: bool = True) -> None:
        version = promote(name)
        manifest = draft_manifest("regression", version.created)
        storage.put(f"{version.folder}/bundle.json", to_json(manifest))
        if not tested:
            return
        errors = np.random.default_rng(0).normal(size=4000)
        kept = io.BytesIO()
        pl.DataFrame({"truth": errors, "score": np.zeros(4000)}).write_parquet(kept)
        storage.put(f"evaluations/{name}/scores.parquet", kept.getvalue())
        report = EvaluationReport(
            candidate=name,
            champion=None,
            task="regression",
            metric="rmse",
            rows=4000,
            metrics={"candidate": {"rmse": Estimate(value=1.0, low=0.98, high=1.02)}},
            comparisons=(),
            slices=(),
            latency_ms=1.0,
            size_mb=1.0,
            reference="",
            scores=f"evaluations/{name}/scores.parquet",
        )
        storage.put(f"{version.folder}/evaluation.json", to_json(report))

    return make


@pytest.fixture
def day(storage, clock) -> Callable[..., list[Outcome]]:
    """`day(noise=1.0)`: a day's predictions, captured; the outcomes that will come of them."""
    days = [0]

    def pass_by(*, noise: float = 1.0, rows: int = 400, version: int = 1) -> list[Outcome]:
        start = window_of(clock.now(), DAY)
        number = days[0] = days[0] + 1
        at = [start + timedelta(seconds=36_000 + place * 100) for place in range(rows)]
        ids = [f"d{number}-{place}" for place in range(rows)]
        table = pa.table(
            {
                "prediction_id": ids,
                "endpoint": ["demand"] * rows,
                "revision": [1] * rows,
                "variant": ["champion"] * rows,
                "version": [version] * rows,
                "at": pa.array(at, pa.timestamp("us", "UTC")),
                "key": pa.array([None] * rows, pa.string()),
                "latency_ms": [1.0] * rows,
                "output.prediction": [0.0] * rows,
            }
        )
        sink = io.BytesIO()
        pq.write_table(table, sink)
        storage.put(segment_key("demand", at[0], "server", number), sink.getvalue())
        clock.sleep((start + DAY - clock.now()).total_seconds() + 600)
        truth = np.random.default_rng(number).normal(scale=noise, size=rows)
        return [
            Outcome(endpoint="demand", prediction_id=one, value=float(value), at=clock.now())
            for one, value in zip(ids, truth, strict=True)
        ]

    return pass_by


def watch(monitors, tmp_path, **decay):
    declared = Model("demand", source="s", target="y", decay=Decay(**decay)).declaration
    return watch_performance(monitors, declared, scratch=tmp_path)


def test_a_day_is_judged_once_enough_of_its_labels_have_come(live, day, monitors, storage, clock, tmp_path):
    live("first")
    outcomes = day()
    assert watch(monitors, tmp_path) == []
    record_outcomes(storage, outcomes[:200], clock.now())
    clock.sleep(7 * 3600)
    assert watch(monitors, tmp_path) == []
    record_outcomes(storage, outcomes[200:380], clock.now())
    clock.sleep(7 * 3600)
    (finding,) = watch(monitors, tmp_path)
    assert (finding.kind, finding.judged, finding.passed, finding.rows) == ("performance", True, True, 400)
    assert "95% of 400 labels have come" in finding.decision.because()
    clock.sleep(7 * 3600)
    record_outcomes(storage, outcomes[380:], clock.now())
    assert watch(monitors, tmp_path) == []


def test_a_day_of_bad_predictions_fails_opens_an_alert_and_recovers(live, day, monitors, storage, clock, tmp_path):
    live("first")
    declared = {"demand": Model("demand", source="s", target="y").declaration}
    for noise, passed in ((1.0, True), (1.6, False), (1.0, True)):
        record_outcomes(storage, day(noise=noise), clock.now())
        (finding,) = watch(monitors, tmp_path)
        assert finding.passed is passed, finding.decision.because()
        monitors.tick(declared)
        assert [one.rule for one in monitors.alerts("demand", open_only=True)] == ([] if passed else ["performance"])


def test_small_decay_that_no_day_shows_is_found_over_many(live, day, monitors, storage, clock, tmp_path):
    live("first")
    found = []
    for _ in range(12):
        record_outcomes(storage, day(noise=1.35, rows=120), clock.now())
        found += watch(monitors, tmp_path, margin=0.1, min_rows=100)
    assert any(reason.rule == "losses" for one in found for reason in one.decision.failures)


def test_labels_that_never_come_leave_days_unjudged_and_later_ones_judged(
    live, day, monitors, storage, clock, tmp_path
):
    live("first")
    day()
    outcomes = day()
    record_outcomes(storage, outcomes, clock.now())
    (finding,) = watch(monitors, tmp_path)
    assert finding.window_start == window_of(outcomes[0].at, DAY) - DAY


def test_days_of_which_a_sample_is_ever_labelled_are_judged_once_labels_have_stopped_coming(
    live, day, monitors, storage, clock, tmp_path
):
    live("first")
    found, days = [], 33
    for _ in range(days):
        record_outcomes(storage, day()[::3], clock.now())
        found.append(watch(monitors, tmp_path))
    assert not any(found[:29])
    first = next(some for some in found if some)
    assert len(first) >= 28  # all the days that waited
    assert all(one.passed and one.rows == 400 for one in first)
    reason = first[0].decision.because()
    assert "34% of 400 labels have come, and 100% of those that ever come do by this age" in reason
    assert len([one for some in found for one in some]) >= days - 2


def test_labels_of_which_most_come_late_are_waited_for(live, day, monitors, storage, clock, tmp_path):
    live("first")
    waiting, found = [], []
    for _ in range(36):
        outcomes = day()
        now = clock.now()
        record_outcomes(storage, outcomes[::3], now)
        waiting.append(outcomes)
        if len(waiting) > 5:
            late = waiting.pop(0)
            record_outcomes(storage, [replace(one, at=now) for one in late if one not in late[::3]], now)
        found += watch(monitors, tmp_path)
    assert found
    assert all("100% of 400 labels have come" in one.decision.because() for one in found)


def test_without_an_evaluation_there_is_nothing_to_hold_a_day_against(live, day, monitors, storage, clock, tmp_path):
    live("first", tested=False)
    record_outcomes(storage, day(), clock.now())
    assert watch(monitors, tmp_path) == []


def test_a_new_champion_begins_anew(live, day, monitors, storage, clock, tmp_path):
    live("first")
    record_outcomes(storage, day(noise=1.0), clock.now())
    assert [one.version for one in watch(monitors, tmp_path)] == [1]
    live("second")
    record_outcomes(storage, day(noise=1.0, version=2), clock.now())
    assert [one.version for one in watch(monitors, tmp_path)] == [2]


def test_nothing_is_watched_where_nobody_serves_or_the_clock_jumps_back(live, day, monitors, storage, clock, tmp_path):
    assert watch(monitors, tmp_path) == []
    live("first")
    record_outcomes(storage, day(), clock.now())
    assert len(watch(monitors, tmp_path)) == 1
    monitors.remember("demand", "performance", clock.now() + 30 * DAY, {"version": 1})
    assert watch(monitors, tmp_path) == []
