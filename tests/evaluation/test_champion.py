"""Champions on the test rows: which self is compared, and on which rows it was never trained."""

import numpy as np
import polars as pl
import pytest

from loopwright.declare import Gate, Model
from loopwright.evaluation.gate import decide_gate
from loopwright.evaluation.records import Champion
from loopwright.training.records import SplitPlan

HOURS = 2000
START = np.datetime64("2026-01-01", "us")


def at(hour):
    return str((START + hour * np.timedelta64(1, "h")).astype("M8[s]"))


def ordered_rows():
    rng = np.random.default_rng(5)
    x = rng.normal(size=HOURS)
    return pl.DataFrame(
        {"at": START + np.arange(HOURS) * np.timedelta64(1, "h"), "x": x, "y": x + rng.normal(size=HOURS)}
    )


@pytest.fixture
def by_time(world):
    return world(Model("m", source="s", target="y", time="at"), ordered_rows(), "regression")


@pytest.fixture
def by_hash(world):
    rows = ordered_rows().drop("at").with_columns(id=pl.int_range(HOURS))
    return world(Model("m", source="s", target="y", key="id"), rows, "regression")


def good(columns):
    return columns["x"]


def bad(columns):
    return 0.5 * columns["x"]


def broken(columns):
    raise AssertionError("this self of the champion must not be asked")


def test_by_a_hash_the_live_champion_is_compared_on_all_test_rows(by_hash):
    report = by_hash.evaluate(good, Champion(version=3, folder=by_hash.bundle("live", bad)))
    against = report.against("champion")
    assert against.rows == report.rows
    assert against.difference == pytest.approx(against.baseline - report.metrics["candidate"]["rmse"].value)
    assert against.low > 0
    assert not against.sibling
    assert report.champion == 3


def test_a_champion_trained_on_as_old_rows_is_compared_on_those_newer_than_its_own(by_time):
    until = at(1700)
    live = by_time.bundle("live", bad)
    champion = Champion(version=1, folder=live, trained_until=until)
    report = by_time.evaluate(good, champion, trained_until=at(1750))
    against = report.against("champion")
    newer = by_time.rows[1701:]
    assert against.rows == newer.height
    assert against.baseline == pytest.approx(float(np.sqrt(((newer["y"] - 0.5 * newer["x"]) ** 2).mean())))
    assert report.metrics["champion"]["rmse"].value == against.baseline
    assert f"compared on {newer.height} rows newer than {until}" in report.notes[1]


def test_a_champion_refitted_on_newer_rows_than_the_candidates_is_compared_as_it_was_before(by_time):
    champion = Champion(
        version=1,
        folder=by_time.bundle("live", broken),
        evaluated_folder=by_time.bundle("before", bad),
        trained_until=at(1800),
        evaluated_trained_until=at(1000),
    )
    against = by_time.evaluate(good, champion).against("champion")
    assert against.sibling
    assert against.rows == by_time.test.height


def test_a_champion_that_leads_but_has_no_earlier_self_is_compared_all_the_same(by_time):
    champion = Champion(version=1, folder=by_time.bundle("live", bad), trained_until=at(1900))
    against = by_time.evaluate(good, champion).against("champion")
    assert against.rows == HOURS - 1901
    assert not against.sibling


def test_where_a_live_champion_has_seen_nearly_all_rows_its_earlier_self_stands_for_it(by_time):
    champion = Champion(
        version=1,
        folder=by_time.bundle("live", broken),
        evaluated_folder=by_time.bundle("before", bad),
        trained_until=at(HOURS - 20),
        evaluated_trained_until=at(1500),
    )
    assert by_time.evaluate(good, champion, trained_until=at(HOURS)).against("champion").sibling


def test_a_champion_that_has_seen_nearly_all_rows_is_not_compared_and_a_person_decides(by_time):
    champion = Champion(version=4, folder=by_time.bundle("live", broken), trained_until=at(HOURS - 20))
    report = by_time.evaluate(good, champion)
    assert report.against("champion") is None
    assert report.incomparable == (
        "the champion (version 4) cannot be compared: only 19 test rows are newer than those it was trained on, "
        "fewer than 50"
    )
    decision = decide_gate(Gate(), report)
    assert decision.passed
    assert decision.needs_approval


def test_a_champion_of_unknown_training_rows_is_not_compared(by_time):
    report = by_time.evaluate(good, Champion(version=4, folder=by_time.bundle("live", broken)))
    assert report.incomparable.endswith("it is not known which rows it was trained on")


def test_by_row_number_the_rows_from_the_trained_number_on_are_unseen(world):
    made = world(Model("m", source="s", target="y", order="rows"), ordered_rows().drop("at"), "regression")
    champion = Champion(version=1, folder=made.bundle("live", bad), trained_until="1900")
    assert made.evaluate(good, champion, trained_until="1900").against("champion").rows == 100


def test_a_champion_split_by_another_rule_is_not_compared(by_hash):
    split = SplitPlan(kind="time", column="at")
    report = by_hash.evaluate(good, Champion(version=2, folder=by_hash.bundle("live", broken), split=split))
    assert "its rows were split by the time at, the candidate's by a hash of id" in report.incomparable


def test_a_champion_with_a_smaller_test_share_is_compared_on_that_share_only(by_hash):
    split = SplitPlan(kind="hash", column="id", validation_share=0.15, test_share=0.1)
    report = by_hash.evaluate(good, Champion(version=2, folder=by_hash.bundle("live", bad), split=split))
    assert 0.3 * report.rows < report.against("champion").rows < 0.7 * report.rows


@pytest.mark.parametrize(
    ("split", "why"),
    [
        (SplitPlan(kind="hash", column="id", test_share=0.01), "test rows are such as it was surely not trained on"),
        (SplitPlan(kind="hash", column="id", columns=("gone",)), "split by columns of which 'gone' is gone"),
    ],
)
def test_a_champion_whose_own_test_rows_are_lost_is_not_compared(by_hash, split, why):
    report = by_hash.evaluate(good, Champion(version=2, folder=by_hash.bundle("live", broken), split=split))
    assert why in report.incomparable


def test_a_metric_without_a_value_on_the_newest_rows_leaves_the_champion_uncompared(world):
    rows = ordered_rows().with_columns(
        y=pl.when(pl.int_range(HOURS) % 2 == 0).then(pl.lit("no")).otherwise(pl.lit("yes"))
    )
    rows = rows.with_columns(y=pl.when(pl.int_range(HOURS) > 1900).then(pl.lit("no")).otherwise("y"))
    made = world(Model("m", source="s", target="y", time="at"), rows, "binary", ("no", "yes"))
    live = made.bundle("live", lambda columns: 0 * columns["x"] + 0.5)
    report = made.evaluate(
        lambda columns: 0 * columns["x"] + 0.4, Champion(version=2, folder=live, trained_until=at(1900))
    )
    assert report.against("dummy") is not None
    assert report.incomparable.endswith("roc_auc has no value on the rows it has not seen")


def test_a_champion_that_needs_a_column_which_is_gone_is_not_compared(by_hash):
    folder = by_hash.bundle("live", good, inputs=["x", "gone"])
    report = by_hash.evaluate(good, Champion(version=2, folder=folder))
    assert "the column 'gone' is missing" in report.incomparable


def test_a_champion_whose_bundle_was_collected_is_not_compared(by_hash):
    report = by_hash.evaluate(good, Champion(version=2, folder="bundles/collected"))
    assert "nothing is stored below 'bundles/collected'" in report.incomparable


def test_a_champion_of_another_task_is_not_compared(by_hash):
    folder = by_hash.bundle("live", broken, task="binary", classes=("no", "yes"))
    report = by_hash.evaluate(good, Champion(version=2, folder=folder))
    assert "its task is binary, not regression" in report.incomparable


def test_a_champion_that_knows_fewer_classes_is_compared_by_their_names(world):
    rng = np.random.default_rng(2)
    kinds = rng.choice(["a", "b", "c"], 1000)
    rows = pl.DataFrame({"id": np.arange(1000), "hint": kinds, "kind": kinds})
    made = world(Model("m", source="s", target="kind", key="id"), rows, "multiclass", ("c", "a", "b"))

    def sure(names):
        return lambda columns: 0.7 * (np.asarray(columns["hint"])[:, None] == np.array(names)) + 0.1

    champion = Champion(version=1, folder=made.bundle("live", sure(["a", "b"]), classes=("a", "b"), task="multiclass"))
    report = made.evaluate(sure(["c", "a", "b"]), champion, inputs=["hint"])
    accuracy = report.metrics["champion"]["accuracy"].value
    assert report.metrics["candidate"]["accuracy"].value == 1
    assert accuracy == pytest.approx(1 - float((made.test["kind"] == "c").mean()))


def test_slices_show_the_champion_only_where_it_has_seen_none_of_the_test_rows(by_time):
    by_time.model = Model("m", source="s", target="y", time="at", slices=["half"])
    by_time.rows = by_time.rows.with_columns(half=pl.int_range(HOURS) % 2)
    live = by_time.bundle("live", bad, inputs=["x"])
    all_new = Champion(version=1, folder=live, trained_until=at(1000))
    some_new = Champion(version=1, folder=live, trained_until=at(1900))
    assert "rmse" in by_time.evaluate(good, all_new).slices[0].champion
    assert by_time.evaluate(good, some_new).slices[0].champion == {}
