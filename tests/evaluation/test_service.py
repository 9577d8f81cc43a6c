"""Evaluations end to end, on made rows with predictors that are functions."""

import numpy as np
import polars as pl
import pytest
from sklearn import metrics as known

from loopwright.bundle.records import Reference
from loopwright.core.codec import from_json, from_plain, to_plain
from loopwright.declare import Model
from loopwright.errors import BundleError, DataError
from loopwright.evaluation.gate import decide_gate
from loopwright.evaluation.records import EvaluationReport
from loopwright.policies.gate import Gate
from loopwright.policies.tasks import DEFAULT_METRIC

CLASSES = ("a", "b", "c")


def made_rows(count=1500, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=count)
    return pl.DataFrame(
        {
            "id": np.arange(count),
            "x": x,
            "city": rng.choice(["Bern", "Cork", "Dover", "Exeter"], count, p=[0.5, 0.3, 0.19, 0.01]),
            "number": 10 + 3 * x + rng.normal(size=count),
            "sure": np.where(x + rng.normal(size=count) > 0.5, "yes", "no"),
            "kind": np.array(CLASSES)[np.clip(np.round(x + rng.normal(size=count)) + 1, 0, 2).astype(int)],
        }
    )


def world_of(world, task, rows=None, **model):
    target, classes = {
        "regression": ("number", ()),
        "binary": ("sure", ("no", "yes")),
        "multiclass": ("kind", CLASSES),
    }[task]
    rows = made_rows() if rows is None else rows
    kept = [name for name in rows.columns if name == target or name not in ("number", "sure", "kind")]
    declared = Model("m", source="s", target=target, task=task, **({"key": "id"} | model))
    return world(declared, rows.select(kept), task, classes)


def likely(columns):
    return 1 / (1 + np.exp(1 - 2 * columns["x"]))


def by_class(columns):
    closeness = np.exp(-((np.asarray(columns["x"])[:, None] + 1 - np.arange(3)) ** 2))
    return closeness / closeness.sum(axis=1, keepdims=True)


def line(columns):
    return 10 + 3 * columns["x"]


SCORES = {"regression": line, "binary": likely, "multiclass": by_class}


def test_regression_figures_are_those_of_scikit_learn_on_the_test_rows(world):
    made = world_of(world, "regression")
    found = made.evaluate(line).metrics["candidate"]
    truth, said = made.test["number"].to_numpy(), line(made.test)
    assert found["rmse"].value == pytest.approx(known.root_mean_squared_error(truth, said))
    assert found["mae"].value == pytest.approx(known.mean_absolute_error(truth, said))
    assert found["r2"].value == pytest.approx(known.r2_score(truth, said))


def test_binary_figures_are_those_of_scikit_learn_at_the_bundles_threshold(world):
    made = world_of(world, "binary")
    found = made.evaluate(likely, threshold=0.3).metrics["candidate"]
    truth, said = (made.test["sure"] == "yes").to_numpy(), likely(made.test)
    called = said >= 0.3
    assert found["roc_auc"].value == pytest.approx(known.roc_auc_score(truth, said))
    assert found["pr_auc"].value == pytest.approx(known.average_precision_score(truth, said))
    assert found["log_loss"].value == pytest.approx(known.log_loss(truth, said))
    assert found["brier"].value == pytest.approx(known.brier_score_loss(truth, said))
    assert found["f1"].value == pytest.approx(known.f1_score(truth, called))
    assert found["precision"].value == pytest.approx(known.precision_score(truth, called))
    assert found["recall"].value == pytest.approx(known.recall_score(truth, called))


def test_the_positive_class_may_be_the_first_one(world):
    made = world_of(world, "binary")
    found = made.evaluate(likely, positive="no", threshold=0.6).metrics["candidate"]
    truth, said = (made.test["sure"] == "no").to_numpy(), 1 - likely(made.test)
    assert found["roc_auc"].value == pytest.approx(known.roc_auc_score(truth, said))
    assert found["recall"].value == pytest.approx(known.recall_score(truth, said >= 0.6))


def test_multiclass_figures_are_those_of_scikit_learn(world):
    made = world_of(world, "multiclass")
    found = made.evaluate(by_class).metrics["candidate"]
    truth, said = made.test["kind"].to_numpy(), by_class(made.test)
    called = np.array(CLASSES)[said.argmax(axis=1)]
    assert found["accuracy"].value == pytest.approx(known.accuracy_score(truth, called))
    assert found["f1_macro"].value == pytest.approx(known.f1_score(truth, called, average="macro"))
    assert found["recall_weighted"].value == pytest.approx(known.recall_score(truth, called, average="weighted"))
    assert found["log_loss"].value == pytest.approx(known.log_loss(truth, said, labels=list(CLASSES)))
    assert found["roc_auc"].value == pytest.approx(known.roc_auc_score(truth, said, multi_class="ovr"))


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_a_good_candidate_beats_the_dummy_and_passes_its_gate(world, task):
    made = world_of(world, task)
    report = made.evaluate(SCORES[task])
    headline = report.metrics["candidate"][report.metric]
    assert report.metric == DEFAULT_METRIC[task]
    assert headline.low < headline.value < headline.high
    assert report.against("dummy").low > 0
    assert report.against("dummy").rows == report.rows == made.test.height
    assert decide_gate(Gate(), report).passed


def test_rows_of_few_moments_tell_nothing_and_the_gate_says_of_how_many_they_are(world):
    rows = made_rows().with_columns(day=pl.date(2026, 1, 1) + pl.duration(days=pl.int_range(1500) // 50))
    made = world_of(world, "regression", rows, time="day", key=None)
    report = made.evaluate(lambda columns: line(columns))
    against = report.against("dummy")
    assert (against.error, against.low, against.p_better) == (None, None, None)
    told = decide_gate(Gate(), report).decision.failures[0].text
    assert told.endswith("rows in order must be of 10 moments or more, and these are of 6")


def test_a_handful_of_the_rarer_class_bounds_no_ranking(world):
    rows = made_rows().with_columns(sure=pl.when(pl.col("x") > 3.1).then(pl.lit("yes")).otherwise(pl.lit("no")))
    made = world_of(world, "binary", rows)
    against = made.evaluate(likely).against("dummy")
    assert against.error is None
    assert "rows of the rarer class, fewer than 5" in against.lacking


@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
@pytest.mark.parametrize("positive", ["yes", "no"], ids=["rare", "common"])
def test_metrics_of_called_rows_are_held_against_a_dummy_that_means_something(world, name, positive):
    made = world_of(world, "binary", gate=Gate(name), positive=positive)
    good = made.evaluate(likely, positive=positive)
    assert good.metric == name
    assert good.against("dummy").metric == "roc_auc"
    assert decide_gate(Gate(name), good).passed
    ignorant = np.random.default_rng(5)
    guessed = made.evaluate(lambda columns: ignorant.random(len(columns["x"])), positive=positive)
    assert [one.rule for one in decide_gate(Gate(name), guessed).decision.failures] == ["dummy"]


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_a_candidate_that_knows_nothing_does_not_beat_the_dummy(world, task):
    answers = {"regression": np.zeros(1), "binary": np.full(1, 0.5), "multiclass": np.full((1, 3), 1 / 3)}
    made = world_of(world, task)
    report = made.evaluate(lambda columns: np.repeat(answers[task], len(columns["x"]), axis=0))
    decision = decide_gate(Gate(), report)
    assert not decision.passed
    assert [one.rule for one in decision.decision.failures] == ["dummy"]


def test_speed_and_size_are_measured(world):
    report = world_of(world, "regression").evaluate(line)
    assert 0 < report.latency_ms < 1000
    assert report.size_mb == pytest.approx(0.5, abs=0.01)


def test_the_report_survives_json(world):
    report = world_of(world, "binary", slices=["city"]).evaluate(likely)
    assert from_plain(to_plain(report), EvaluationReport) == report


@pytest.mark.parametrize(
    ("task", "pictures"),
    [
        ("regression", {"residuals", "predicted", "importance"}),
        ("binary", {"roc", "pr", "calibration", "confusion", "importance"}),
        ("multiclass", {"roc", "calibration", "confusion", "importance"}),
    ],
)
def test_pictures_fit_the_task_and_lie_in_the_store(world, task, pictures):
    made = world_of(world, task)
    report = made.evaluate(SCORES[task])
    assert set(report.pictures) == pictures
    for key in report.pictures.values():
        assert key.startswith("evaluations/1/pictures/")
        assert made.storage.get(key).startswith(b"\x89PNG")


def test_names_that_look_like_formulas_are_drawn_as_they_are(world):
    rows = made_rows().with_columns(
        sure=pl.when(pl.col("sure") == "yes").then(pl.lit("$50_")).otherwise(pl.lit("$^{$"))
    )
    made = world_of(world, "binary", rows)
    made.classes = ("$^{$", "$50_")
    report = made.evaluate(likely, importance={"x_$^": 0.7, "$y_{": 0.3})
    assert set(report.pictures) >= {"confusion", "importance"}


def test_slices_are_the_commonest_values_with_enough_rows(world):
    made = world_of(world, "regression", slices=["city"])
    report = made.evaluate(line)
    assert [one.value for one in report.slices] == ["Bern", "Cork", "Dover"]
    bern = made.test.filter(pl.col("city") == "Bern")
    expected = known.root_mean_squared_error(bern["number"].to_numpy(), line(bern))
    assert report.slices[0].rows == bern.height
    assert report.slices[0].candidate["rmse"] == pytest.approx(expected)
    assert any("slices by city: 3 of 4 values" in note for note in report.notes)


def test_rows_without_a_value_are_a_slice_of_their_own(world):
    rows = made_rows().with_columns(city=pl.when(pl.col("id") % 2 == 0).then("city"))
    report = world_of(world, "regression", rows, slices=["city"]).evaluate(line)
    assert report.slices[0].value == "missing"


def test_the_reference_counts_every_test_row_and_keeps_no_secrets(world):
    rows = made_rows().with_columns(
        name=pl.format("person {}", "id"), gap=pl.when(pl.col("id") % 3 == 0).then("x"), day=pl.date(2026, 1, 1)
    )
    made = world_of(world, "binary", rows, redact=["name"])
    report = made.evaluate(likely)
    reference = from_json(made.storage.get(report.reference), Reference)
    columns = {one.name: one for one in reference.columns}
    assert set(columns) == {"input.x", "input.city", "input.gap", "output.probability", "output.label"}
    assert all(sum(one.counts) + one.missing == report.rows for one in columns.values())
    assert columns["input.gap"].missing == made.test["gap"].null_count()
    assert columns["output.label"].values == ("no", "yes")
    assert len(columns["input.x"].counts) == len(columns["input.x"].edges) + 1


def test_predictions_that_are_no_numbers_name_the_candidate(world):
    made = world_of(world, "regression")
    with pytest.raises(BundleError, match=r"the candidate predicts .* not finite numbers for 5 of"):
        made.evaluate(lambda columns: np.where(np.arange(len(columns["x"])) < 5, np.nan, columns["x"]))


def test_test_rows_of_one_class_refuse_a_ranking_metric_and_say_why(world):
    rows = made_rows()
    test = world_of(world, "binary").test["id"]
    rows = rows.with_columns(sure=pl.when(pl.col("id").is_in(test.implode())).then(pl.lit("no")).otherwise("sure"))
    report = world_of(world, "binary", rows).evaluate(likely)
    assert "roc_auc" not in report.metrics["candidate"]
    assert "accuracy" in report.metrics["candidate"]
    assert "every test row is 'no': metrics of ranking have no value" in report.notes
    decision = decide_gate(Gate(), report).decision
    assert [one.rule for one in decision.failures] == ["metric"]


def test_a_constant_target_in_the_test_rows_is_no_error(world):
    rows = made_rows().with_columns(number=pl.lit(4.0))
    report = world_of(world, "regression", rows).evaluate(line)
    assert "r2" not in report.metrics["candidate"]
    assert not decide_gate(Gate(), report).passed


def test_test_rows_of_a_class_that_the_candidate_never_met_are_left_out_and_counted(world):
    made = world_of(world, "multiclass")
    made.classes = ("a", "b")
    strangers = int((made.test["kind"] == "c").sum())
    report = made.evaluate(lambda columns: by_class(columns)[:, :2])
    assert report.rows == made.test.height - strangers
    assert f"{strangers:,} test rows are left out: the candidate does not know their class" in report.notes


def test_scores_that_are_no_probabilities_leave_out_what_needs_them(world):
    report = world_of(world, "binary").evaluate(lambda columns: 2 * columns["x"])
    assert "roc_auc" in report.metrics["candidate"]
    assert "log_loss" not in report.metrics["candidate"]
    assert any("are no probabilities" in note for note in report.notes)


def test_no_test_row_with_a_target_is_an_error(world):
    made = world_of(world, "regression")
    test = made.test["id"].implode()
    made.rows = made.rows.with_columns(number=pl.when(~pl.col("id").is_in(test)).then("number"))
    with pytest.raises(DataError, match="no test row has a known target"):
        made.evaluate(line)


def test_intervals_are_wider_where_ordered_rows_hang_together(world):
    rng = np.random.default_rng(3)
    count = 4000
    drifting = np.convolve(rng.normal(size=count + 50), np.ones(50) / 7, "valid")[:count]
    rows = pl.DataFrame(
        {
            "id": np.arange(count),
            "x": rng.normal(size=count),
            "at": np.datetime64("2026-01-01", "us") + np.arange(count) * np.timedelta64(1, "h"),
            "number": drifting,
        }
    )
    by_hash = world_of(world, "regression", rows.drop("at")).evaluate(lambda columns: 0 * columns["x"])
    by_time = world_of(world, "regression", rows, time="at").evaluate(lambda columns: 0 * columns["x"])
    wide, narrow = (one.metrics["candidate"]["mae"] for one in (by_time, by_hash))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
