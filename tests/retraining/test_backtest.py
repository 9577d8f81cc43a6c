"""The backtest: a champion made by training, and what is said of it on rows that came since."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from loopwright.bootstrap.predictor import load_predictor
from loopwright.core.clock import SystemClock
from loopwright.data.snapshot import snapshot
from loopwright.declare import Model
from loopwright.policies.gate import Gate
from loopwright.ports.workspace import Workspace
from loopwright.retraining.backtest import backtest
from loopwright.retraining.records import BacktestReport, BacktestTask, LabelFacts
from loopwright.retraining.suspicion import suspicions
from loopwright.retraining.worth import weigh
from loopwright.testing.storage import MemoryStorage
from loopwright.training.records import TrainTask
from loopwright.training.service import train


def rows(count: int, *, start: int = 0, slope: float = 2.0, seed: int = 0) -> pl.DataFrame:
    random = np.random.default_rng(seed + start)
    x = random.uniform(-1, 1, count)
    hours = np.arange(start, start + count).astype("timedelta64[h]")
    return pl.DataFrame(
        {
            "at": (np.datetime64("2026-01-01T00:00:00") + hours).astype("datetime64[us]"),
            "id": np.arange(start, start + count),
            "x": x,
            "y": 10 + slope * x + random.normal(0, 0.3, count),
        }
    )


class Shop:
    """A model, its store, and the champion that learned from the first rows."""

    def __init__(self, folder: Path, model: Model, first: pl.DataFrame) -> None:
        self.folder, self.model = folder, model
        self.workspace = Workspace(
            storage=MemoryStorage(),
            folder=folder / "job",
            model=model,
            code=None,
            module=None,
            load_predictor=load_predictor,
            progress=lambda text, done: None,
            clock=SystemClock(),
        )
        self.workspace.folder.mkdir()
        task = TrainTask(candidate_id="c", run_id="r", dataset=self.taken(first), folder="candidates/c", onnx=False)
        self.candidate = train(task, self.workspace)

    def taken(self, frame: pl.DataFrame):
        frame.write_parquet(self.folder / "rows.parquet")
        storage, scratch = self.workspace.storage, self.folder / "scratch"
        source = str(self.folder / "rows.parquet")
        return snapshot(name=self.model.name, source=source, root=self.folder, storage=storage, scratch=scratch)

    def report(self, frame: pl.DataFrame, **changes: object) -> BacktestReport:
        fixed = {
            "version": 1,
            "folder": self.candidate.folder,
            "trained_until": self.candidate.trained_until,
            "trained_rows": self.candidate.rows,
            "candidate": self.candidate,
            "dataset": self.taken(frame),
            "most": 50_000,
        }
        return backtest(BacktestTask(**(fixed | changes)), self.workspace)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    model = Model("demand", source="x.parquet", target="y", time="at", key="id", gate=Gate("rmse"))
    return Shop(tmp_path_factory.mktemp("shop"), model, rows(1500))


def test_a_world_that_has_changed_is_worth_learning(shop):
    report = shop.report(pl.concat([rows(1500), rows(2500, start=1500, slope=-2.0)]))
    assert report.trouble == ""
    assert report.low > 0
    assert (report.learned, report.tested) == (4000 - 1008, 1008), "a third of the rows that it has not seen"
    weighed = weigh(report, 0.01)
    assert weighed.finding == "pass"
    assert "worth it" in weighed.text


def test_a_world_that_is_as_it_was_holds_little_to_gain(shop):
    report = shop.report(pl.concat([rows(1500), rows(1500, start=1500)]))
    assert report.tested >= 500
    assert report.learned > report.seen
    assert report.high < 0.1 * report.baseline
    assert weigh(report, 0.1).finding == "fail"
    assert "surely not help enough" in weigh(report, 0.1).text


def test_what_changed_after_the_cut_is_not_held_against_retraining(shop):
    late = pl.concat([rows(1500), rows(600, start=1500), rows(300, start=2100, slope=-2.0)])
    report = shop.report(late)
    weighed = weigh(report, 0.5)
    assert weighed.finding == "pass"
    assert "may be too new" in weighed.text


def test_a_refit_on_fewer_rows_than_the_champions_proves_nothing_against_it(shop):
    report = shop.report(pl.concat([rows(1500), rows(600, start=1500)]), most=200)
    assert (report.learned, report.tested) == (200, 200)
    assert weigh(report, 0.9).finding == "pass"
    assert "fewer rows to learn from" in weigh(report, 0.9).text or "not shown" in weigh(report, 0.9).text


@pytest.mark.parametrize(
    ("frame", "changes", "trouble"),
    [
        (rows(1500), {"trained_until": "2026-03-04T00:00:00"}, "only 11 labelled rows are newer"),
        (rows(1500), {"trained_until": None}, "not known which rows the champion has seen"),
        (rows(1500).with_columns(y=pl.lit(None, dtype=pl.Float64)), {}, "no test row has a known target"),
        (rows(1500), {"folder": "bundles/gone"}, "gone"),
    ],
)
def test_where_nothing_can_be_compared_the_report_says_why_and_the_request_goes_on(shop, frame, changes, trouble):
    report = shop.report(frame, **changes)
    assert trouble in report.trouble
    assert weigh(report, 0.01).finding == "pass"
    assert trouble in weigh(report, 0.01).text


def test_labels_turned_round_or_in_another_unit_are_suspect_and_drifted_ones_are_not(shop):
    calm = LabelFacts(recent=600, earlier=600)
    same = pl.concat([rows(1500), rows(600, start=1500)])
    assert suspicions(calm, shop.report(same).jump) == []
    drifted = pl.concat([rows(1500), rows(600, start=1500).with_columns(y=pl.col("y") + 1.0)])
    assert suspicions(calm, shop.report(drifted).jump) == []
    turned = pl.concat([rows(1500), rows(600, start=1500).with_columns(y=20 - pl.col("y"))])
    assert [one.rule for one in suspicions(calm, shop.report(turned).jump)] == ["turned_label"]
    unit = pl.concat([rows(1500), rows(600, start=1500).with_columns(y=100 * pl.col("y"))])
    (jumped,) = suspicions(calm, shop.report(unit).jump)
    assert jumped.rule == "jumped_label"
    assert "standard deviations beyond what their inputs explain" in jumped.text


def test_customers_that_come_again_count_once_in_the_bounds(tmp_path):
    """Without keys the bounds are far closer: each of the 75 customers has an error of its own, in 40 rows."""
    customer = np.arange(3000) // 40
    of_customer = np.random.default_rng(5).normal(0, 3, 75)[customer]
    frame = rows(3000).drop("at").with_columns(id=pl.Series(customer), y=pl.col("y") + of_customer)
    wide, close = (
        Shop(folder, Model("demand", source="x.parquet", target="y", key=key, gate=Gate("rmse")), given).report(given)
        for folder, key, given in (
            (tmp_path / "a", "id", frame),
            (tmp_path / "b", None, frame.drop("id")),
        )
        if folder.mkdir() is None
    )
    assert wide.high - wide.low > 1.2 * (close.high - close.low)


def test_rows_in_no_order_are_parted_by_the_champions_own_split(tmp_path):
    model = Model("churn", source="x.parquet", target="y", key="id")
    frame = rows(1500).drop("at").with_columns(y=pl.when(pl.col("y") > 10).then(pl.lit("yes")).otherwise(pl.lit("no")))
    shop = Shop(tmp_path, model, frame)
    report = shop.report(frame)
    assert report.trouble == ""
    assert report.metric == "roc_auc"
    assert report.baseline > 0.9
    assert report.tested == pytest.approx(300, abs=60)
    assert report.jump is None
