"""Champions on the test rows: which self is compared, and on which rows it was never trained."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from loopwright.declare import Model
from loopwright.errors import BundleError, StorageError
from loopwright.evaluation.gate import decide_gate
from loopwright.evaluation.records import Champion
from loopwright.policies.gate import Gate
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


def test_the_champions_anchor_is_compared_in_the_metric_that_decides_and_measured_in_no_other(by_hash):
    anchor = Champion(version=1, folder=by_hash.bundle("anchor", lambda columns: 0.9 * columns["x"]))
    champion = Champion(version=3, folder=by_hash.bundle("live", bad), anchor=anchor)
    report = by_hash.evaluate(good, champion)
    assert report.against("anchor").baseline < report.against("champion").baseline
    assert "anchor" not in report.metrics
    assert any(note.startswith("the anchor is compared on") for note in report.notes)


def test_an_anchor_that_cannot_be_compared_is_told_and_passed_by(by_hash):
    anchor = Champion(version=1, folder="bundles/collected")
    report = by_hash.evaluate(good, Champion(version=3, folder=by_hash.bundle("live", bad), anchor=anchor))
    assert report.against("champion") is not None
    assert report.against("anchor") is None
    assert any(note.startswith("the anchor (version 1) cannot be compared") for note in report.notes)


def test_an_anchor_that_is_damaged_keeps_no_successor_from_coming(by_hash):
    """It can be neither rolled back nor surpassed: no candidate would ever be evaluated again."""
    anchor = Champion(version=1, folder=by_hash.bundle("anchor", lambda columns: np.nan * columns["x"]))
    report = by_hash.evaluate(good, Champion(version=3, folder=by_hash.bundle("live", bad), anchor=anchor))
    assert report.against("champion") is not None
    assert report.against("anchor") is None
    assert any("not finite numbers" in note for note in report.notes)


def test_a_champion_that_is_damaged_must_be_mended_or_rolled_back(by_hash):
    with pytest.raises(BundleError, match="the champion"):
        by_hash.evaluate(
            good, Champion(version=3, folder=by_hash.bundle("live", lambda columns: np.nan * columns["x"]))
        )


@pytest.mark.parametrize("who", ["champion", "anchor"])
def test_a_store_that_is_away_passes_nobody_by(by_hash, monkeypatch, who):
    folders = {one: by_hash.bundle(one, bad) for one in ("champion", "anchor")}
    listed = by_hash.storage.list

    def away(prefix):
        if prefix.startswith(folders[who]):
            raise StorageError("the store is away")
        return listed(prefix)

    monkeypatch.setattr(by_hash.storage, "list", away)
    anchor = Champion(version=1, folder=folders["anchor"])
    with pytest.raises(StorageError):
        by_hash.evaluate(good, Champion(version=3, folder=folders["champion"], anchor=anchor))


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


def test_rows_by_a_hash_judge_again_and_again(by_hash):
    champion = Champion(version=3, folder=by_hash.bundle("live", bad))
    first = by_hash.evaluate(good, champion)
    assert first.uses == 1
    half = replace(first.judged, rows=first.judged.rows // 2)  # when there were half as many rows
    other = replace(first.judged, way="hash of another key")
    again = by_hash.evaluate(good, champion, judged=(first.judged, half, other))
    assert again.uses == pytest.approx(2.5, abs=0.01)
    assert again.judged == first.judged
    decision = decide_gate(Gate(), again).decision
    assert any("have judged 1.5 candidates before" in one.text for one in decision.reasons)


def test_rows_in_order_that_are_newer_have_judged_nobody(by_time):
    champion = Champion(version=3, folder=by_time.bundle("live", bad), trained_until=at(1599))
    first = by_time.evaluate(good, champion)
    assert first.judged.rows == 400
    hour = 3600e6
    older = replace(first.judged, since=first.judged.since - 400 * hour, until=first.judged.since - hour)
    assert by_time.evaluate(good, champion, judged=(older,)).uses == 1
    partly = replace(first.judged, until=first.judged.since + 99 * hour)
    assert by_time.evaluate(good, champion, judged=(partly, first.judged)).uses == pytest.approx(2.25)


def test_a_version_that_is_held_against_nobody_uses_nothing_up(by_time):
    report = by_time.evaluate(good)
    assert report.judged is None
    assert report.uses == 1


def test_further_metrics_and_slices_are_held_against_the_champion_too(by_hash):
    by_hash.model = Model("m", source="s", target="y", key="id", slices=["half"], gate=Gate(also=["mae"]))
    by_hash.rows = by_hash.rows.with_columns(half=pl.when(pl.col("x") > 0).then(pl.lit("up")).otherwise(pl.lit("down")))
    report = by_hash.evaluate(good, Champion(version=3, folder=by_hash.bundle("live", bad)), inputs=["x"])
    assert [one.metric for one in report.also] == ["mae"]
    assert report.also[0].p_not_worse < 0.05
    held = {one.value: one.comparison for one in report.slices}
    assert held["up"].rows + held["down"].rows == report.rows
    assert all(one.metric == "rmse" and one.allowed == pytest.approx(0.05 * one.baseline) for one in held.values())
    rules = {one.rule: one.finding for one in decide_gate(by_hash.model.declaration.gate, report).decision.reasons}
    assert rules["also mae"] == rules["slices"] == "pass"


def test_a_candidate_that_fails_a_group_is_refused_though_it_is_better_in_all(by_hash):
    by_hash.model = Model("m", source="s", target="y", key="id", slices=["half"])
    by_hash.rows = by_hash.rows.with_columns(half=pl.when(pl.col("x") > 1).then(pl.lit("up")).otherwise(pl.lit("down")))
    champion = Champion(version=3, folder=by_hash.bundle("live", lambda columns: 0.3 * columns["x"]))
    report = by_hash.evaluate(lambda columns: np.where(columns["x"] > 1, -1.5, columns["x"]), champion, inputs=["x"])
    failed = [one for one in decide_gate(Gate(), report).decision.failures if one.rule == "slices"]
    assert failed[0].text.startswith("where half is up: ")
