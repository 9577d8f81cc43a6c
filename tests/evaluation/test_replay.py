"""A candidate is asked what the champion was asked."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from loopwright.declare import Model
from loopwright.errors import FeatureError
from loopwright.evaluation.records import Champion
from loopwright.evaluation.replay import ANSWER, replay, why_not
from loopwright.evaluation.replay_records import ReplayReport, ReplayTask
from loopwright.policies.gate import Replay
from loopwright.testing.storage import MemoryStorage
from loopwright.traffic.predictions import segment_key

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROWS = 400


def made(world, task: str = "regression", **declared):
    random = np.random.default_rng(0)
    x = random.normal(0, 1, ROWS)
    rows = pl.DataFrame(
        {
            "x": x,
            "shop": np.where(np.arange(ROWS) % 2, "north", "south"),
            "number": x,
            "sure": np.where(x > 0, "yes", "no"),
            "kind": np.array(["a", "b", "c"])[np.digitize(x, [-0.5, 0.5])],
        }
    )
    target, classes = {
        "regression": ("number", ()),
        "binary": ("sure", ("no", "yes")),
        "multiclass": ("kind", ("a", "b", "c")),
    }[task]
    model = Model("m", source="a.csv", target=target, task=task, **declared)
    return world(model, rows.select("x", "shop", target), task, classes)


def line(columns):
    return np.asarray(columns["x"], dtype=float)


def likely(columns):
    return 1 / (1 + np.exp(-3 * line(columns)))


def by_class(columns):
    raw = np.exp(-np.abs(line(columns)[:, None] - np.array([-1, 0, 1])))
    return raw / raw.sum(axis=1, keepdims=True)


SCORES = {"regression": line, "binary": likely, "multiclass": by_class}


def capture(world, score, *, rows: int = ROWS, redacted=(), version: int = 1, **manifest) -> Champion:
    """The champion's bundle, and rows that it answered."""
    folder = world.bundle("champion", score, **manifest)
    asked = world.rows.head(rows)
    predictor = world._load(world.folder / "made" / "champion")
    outputs = predictor.predict({name: asked[name].to_numpy() for name in world.inputs})
    frame = pl.DataFrame(
        {
            "prediction_id": [f"r{place}" for place in range(rows)],
            "version": [version] * rows,
            "at": pl.Series([NOW + timedelta(seconds=place) for place in range(rows)], dtype=pl.Datetime("us", "UTC")),
            "key": pl.Series([None] * rows, dtype=pl.String),
            "shadow": [False] * rows,
            **{f"input.{name}": asked[name] for name in world.inputs if name not in redacted},
            **{
                f"output.{name}": pl.Series(values, dtype=pl.Array(pl.Float64, values.shape[1]))
                if values.ndim == 2
                else pl.Series(values)
                for name, values in outputs.items()
            },
        }
    )
    sink = io.BytesIO()
    frame.write_parquet(sink)
    world.storage.put(segment_key("m", NOW, "server", version), sink.getvalue())
    return Champion(version=version, folder=folder)


def replayed(world, score, champion: Champion, **candidate) -> ReplayReport:
    task = ReplayTask(
        candidate=world.candidate(score, **candidate),
        champion=champion,
        endpoint="m",
        until=NOW + timedelta(hours=1),
        folder="evaluations/1",
        run_id="run-1",
    )
    return replay(task, world.workspace())


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_the_same_model_gives_the_same_answers(world, task):
    here = made(world, task, slices=["shop"])
    report = replayed(here, SCORES[task], capture(here, SCORES[task]))
    assert (report.rows, report.failed, report.errors, report.notes) == (ROWS, 0, (), ())
    assert (report.since, report.until) == (NOW, NOW + timedelta(seconds=ROWS - 1))
    whole = report.differences.whole
    assert (whole.rows, whole.changed.value, whole.p95) == (ROWS, 0.0, pytest.approx(0.0, abs=1e-12))
    columns = [one.column for one in report.differences.segments]
    assert columns.count("shop") == 2
    assert columns.count(ANSWER) == (3 if task == "multiclass" else 10)
    assert 0.2 < report.latency.ratio < 5, "the same function takes about the same time"
    assert here.storage.get(report.pictures["replay"]).startswith(b"\x89PNG")


def test_what_differs_is_found_where_it_differs(world):
    here = made(world, slices=["shop"])
    champion = capture(here, line)

    def candidate(columns):
        return line(columns) + np.where(columns["shop"] == "north", 2.0, 0.0)

    report = replayed(here, candidate, champion)
    by_shop = {one.value: one for one in report.differences.segments if one.column == "shop"}
    assert by_shop["north"].shift.value == pytest.approx(2.0)
    assert by_shop["south"].changed.value == 0
    assert report.differences.whole.changed.value == pytest.approx(0.5)


def test_labels_that_flip_are_counted_though_the_probability_is_the_same(world):
    here = made(world, "binary")
    report = replayed(here, likely, capture(here, likely), threshold=0.9)
    assert report.differences.whole.changed.value == 0
    assert report.differences.whole.flipped.value > 0.1
    assert report.differences.flips["yes"]["no"] == round(report.differences.whole.flipped.value * ROWS)


def test_rows_that_cannot_be_answered_are_told_from_the_others(world):
    here = made(world)
    champion = capture(here, line)

    def picky(columns):
        if (line(columns) > 2).any():
            raise FeatureError("the feature 'root' has no value for x > 2")
        return line(columns)

    report = replayed(here, picky, champion)
    bad = int((here.rows["x"] > 2).sum())
    assert bad > 1
    assert report.failed == bad
    (error,) = report.errors
    assert (error.column, error.rows, error.message) == (None, bad, "the feature 'root' has no value for x > 2")
    assert report.differences.whole.rows == ROWS - bad


def test_numbers_that_are_none_are_no_answers(world):
    here = made(world)
    champion = capture(here, line)
    report = replayed(here, lambda columns: np.where(line(columns) > 2, np.nan, line(columns)), champion)
    assert report.failed == int((here.rows["x"] > 2).sum())
    assert report.errors[0].message == "what it predicts is no finite number"


def test_a_column_that_nobody_may_be_sending_fails_every_row_and_is_named(world):
    here = made(world)
    champion = capture(here, line, inputs=["x"])
    report = replayed(here, line, champion, inputs=["x", "humidity"])
    assert (report.failed, report.rows) == (ROWS, ROWS)
    assert report.errors[0].column == "humidity"
    assert report.differences is None


def test_a_column_that_callers_are_said_to_send_is_empty_in_the_replay(world):
    here = made(world, replay=Replay(sent=["humidity"]))
    champion = capture(here, line, inputs=["x"])
    report = replayed(here, line, champion, inputs=["x", "humidity"])
    assert (report.failed, report.unheard) == (0, ("humidity",))
    assert report.differences.whole.changed.value == 0


def test_redacted_columns_that_are_needed_make_it_impossible(world):
    here = made(world)
    champion = capture(here, line, redacted=["shop"])
    assert replayed(here, line, champion).impossible == "'shop' is redacted in what is captured"


def test_redacted_columns_that_the_candidate_does_not_need_only_leave_the_latency_unknown(world):
    here = made(world)
    report = replayed(here, line, capture(here, line, redacted=["shop"]), inputs=["x"])
    assert report.differences.whole.rows == ROWS
    assert report.latency is None
    assert any("latency" in note for note in report.notes)


def test_what_other_versions_answered_is_not_replayed(world):
    here = made(world)
    champion = capture(here, line, version=2)
    other = Champion(version=1, folder=champion.folder)
    assert replayed(here, line, other).skipped == "no captured request was answered by version 1"


def test_only_the_last_rows_are_replayed(world):
    here = made(world, replay=Replay(100))
    report = replayed(here, line, capture(here, line))
    assert report.rows == 100
    assert report.since == NOW + timedelta(seconds=ROWS - 100)


def test_numbers_and_classes_cannot_be_compared_but_errors_can(world):
    here = made(world, "binary")
    champion = capture(here, line, task="regression", classes=())
    report = replayed(here, likely, champion)
    assert (report.differences, report.failed, report.rows) == (None, 0, ROWS)
    assert any("cannot be compared" in note for note in report.notes)


def test_a_class_that_is_new_is_one_more(world):
    here = made(world, "multiclass")
    champion = capture(here, lambda columns: by_class(columns)[:, :2], classes=("a", "b"))
    report = replayed(here, by_class, champion)
    assert set(report.differences.flips) <= {"a", "b"}
    assert sum(row.get("c", 0) for row in report.differences.flips.values()) > 0


def test_the_same_replay_again_says_the_same_but_for_its_latency(world):
    here = made(world)
    champion = capture(here, line)
    first, second = (replayed(here, lambda columns: line(columns) * 1.1, champion) for _ in range(2))
    assert first.differences == second.differences
    assert first.pictures == second.pictures


def test_nothing_to_replay_is_known_before_anything_is_read():
    storage, champion = MemoryStorage(), Champion(version=1, folder="bundles/1")
    assert "turned off" in why_not(Replay(0), champion, storage, "m", NOW)
    assert "no champion" in why_not(Replay(), None, storage, "m", NOW)
    assert "captured" in why_not(Replay(), champion, storage, "m", NOW)
    storage.put(segment_key("m", NOW, "server", 1), b"")
    assert why_not(Replay(), champion, storage, "m", NOW) == ""
