"""`loopwright monitor`: what is found of live traffic, and what came true of it."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from loopwright.bootstrap.drift import evaluation_rows
from loopwright.bootstrap.platform import Platform
from loopwright.core.codec import to_json
from loopwright.monitoring.windows import keep_window, window_of
from loopwright.traffic.predictions import segment_key
from loopwright.traffic.summary import LATENCY_EDGES_MS, ColumnCounts, WindowSummary, summary_key
from tests.cli.conftest import Command
from tests.loop.conftest import MODEL, open_here
from tests.loop.test_loop import tick_until


@pytest.fixture
def live(command: Command, project: Path) -> Platform:
    """The small project with a champion, watched every second."""
    (project / "demand.py").write_text(
        "from loopwright import Drift\n" + MODEL.replace("retrain=[NewData()]", 'drift=Drift(window="1s")')
    )
    command("run")
    return open_here(project).platform


def capture(platform: Platform, predictions: dict[int, float], inputs: pl.DataFrame | None = None) -> None:
    """Predictions by key, as a server writes them; with `inputs` also what was asked."""
    now, count = platform.clock.now(), len(predictions)
    segment = pl.DataFrame(
        {
            "prediction_id": [f"p{key}" for key in predictions],
            "endpoint": ["demand"] * count,
            "revision": [1] * count,
            "variant": ["champion"] * count,
            "version": [1] * count,
            "at": pl.Series([now] * count, dtype=pl.Datetime("us", "UTC")),
            "key": [str(key) for key in predictions],
            "latency_ms": [1.0] * count,
            "output.prediction": list(predictions.values()),
        }
    )
    if inputs is not None:
        segment = segment.with_columns(inputs.select(pl.all().name.prefix("input.")))
    written = io.BytesIO()
    segment.write_parquet(written)
    platform.storage.put(segment_key("demand", now, "server", 1), written.getvalue())


def fail_requests(platform: Platform) -> None:
    """A window in which every other request failed."""
    now = platform.clock.now()
    latency = [0] * (len(LATENCY_EDGES_MS) + 1)
    latency[10] = 100
    summary = WindowSummary(
        endpoint="demand",
        revision=1,
        variant="champion",
        version=1,
        start=now,
        seconds=0.1,
        requests=100,
        rows=100,
        errors={"model": 100},
        latency=tuple(latency),
    )
    platform.storage.put(summary_key(summary, "server", 1), to_json(summary))


def test_failed_requests_are_found_and_alerted(command: Command, live: Platform) -> None:
    fail_requests(live)
    session = open_here(live.root)
    tick_until(session, lambda: bool(live.monitors.findings("demand", kind="errors")))
    (found,) = command("monitor", "findings", "demand", "--kind", "errors", "--json").json
    assert found["decision"]["passed"] is False
    assert "✗" in command("monitor", "findings").out
    (alert,) = command("monitor", "alerts", "--open", "--json").json
    assert alert["title"] == "demand version 1: requests fail"
    assert "requests fail" in command("monitor", "alerts").out
    session.close()


def test_outcomes_from_the_source_itself_tell_how_well_it_predicted(
    command: Command, live: Platform, tmp_path: Path
) -> None:
    capture(live, dict.fromkeys(range(40), 10.0))
    truth = pl.DataFrame({"id": range(40), "sold": [13.0] * 39 + [None]})
    truth.write_csv(tmp_path / "truth.csv")
    said = command("monitor", "outcomes", "demand", tmp_path / "truth.csv", "--json")
    assert (said.code, said.json["told"], said.json["passed_over"]) == (0, 39, 1)
    measured = command("monitor", "performance", "demand", "--json").json
    (version,) = measured["versions"]
    assert (version["predictions"], version["outcomes"]) == (40, 39)
    assert version["metrics"]["rmse"] == pytest.approx(3.0)
    assert "39 (98%)" in command("monitor", "performance").out


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_outcomes_name_predictions_and_moments_in_columns(
    command: Command, live: Platform, tmp_path: Path, kind: str
) -> None:
    capture(live, {1: 10.0, 2: 10.0})
    truth = pl.DataFrame({"prediction_id": ["p1", "p2"], "sales": [11.0, 9.0], "at": ["2027-01-01", "2027-01-02"]})
    file = tmp_path / f"truth.{kind}"
    truth.write_parquet(file) if kind == "parquet" else truth.write_ndjson(file)
    if kind == "parquet":
        truth.with_columns(pl.col("at").str.to_date()).write_parquet(file)
    said = command("monitor", "outcomes", "demand", file, "--value", "sales", "--json")
    assert (said.json["told"], said.json["columns"]["at"]) == (2, "at")
    (version,) = command("monitor", "performance", "--json").json["versions"]
    assert version["metrics"]["mae"] == pytest.approx(1.0)


def test_outcomes_that_name_no_prediction_are_refused_with_the_columns_there_are(
    command: Command, live: Platform, tmp_path: Path
) -> None:
    (tmp_path / "truth.csv").write_text("row,sold\n1,2.0\n")
    said = command("monitor", "outcomes", "demand", tmp_path / "truth.csv", "--json")
    assert (said.code, said.json["error"]) == (1, "DataError")
    said = command("monitor", "outcomes", "demand", tmp_path / "truth.csv", "--value", "sales", "--json")
    assert "row, sold" in said.json["remedy"]
    said = command("monitor", "outcomes", "demand", tmp_path / "truth.csv", "--key", "row", "--at", "when", "--json")
    assert "no column 'when'" in said.json["message"]
    assert command("monitor", "outcomes", "demand", tmp_path / "none.csv").code == 1


@pytest.mark.parametrize(
    "bad", ["id\n1\n", "id,sold,at\n1,2.0,soon\n", "id,sold\n,2.0\n"], ids=["column", "moment", "key"]
)
def test_a_bad_file_among_outcomes_leaves_nothing_told(
    command: Command, live: Platform, tmp_path: Path, bad: str
) -> None:
    (tmp_path / "truth-1.csv").write_text("id,sold\n1,2.0\n2,3.0\n")
    (tmp_path / "truth-2.csv").write_text(bad)
    said = command("monitor", "outcomes", "demand", tmp_path / "truth-*.csv", "--json")
    assert (said.code, said.json["error"]) == (1, "DataError")
    assert list(live.storage.list("outcomes/")) == []
    (tmp_path / "truth-2.csv").write_text("id,sold\n3,2.0\n4,\n")
    told = command("monitor", "outcomes", "demand", tmp_path / "truth-*.csv", "--json").json
    assert (told["told"], told["passed_over"]) == (3, 1)


def test_the_report_is_one_page(command: Command, live: Platform, tmp_path: Path) -> None:
    fail_requests(live)
    page = tmp_path / "health.html"
    assert command("monitor", "report", "--output", page).code == 0
    assert page.read_text().startswith("<!doctype html>")
    assert command("monitor", "report", "--json").json["champion"] == 1
    refused = command("monitor", "report", "--output", tmp_path / "no" / "x.html")
    assert (refused.code, "cannot be written" in " ".join(refused.err.split())) == (1, True)


def test_a_period_that_is_none_is_refused(command: Command) -> None:
    said = command("monitor", "performance", "--since", "tomorrow", "--json")
    assert (said.code, said.json["error"]) == (1, "RequestError")


def rows(path: Path, shift: float, count: int = 400) -> Path:
    numbers = np.random.default_rng(1).normal(size=count)
    pl.DataFrame({"temp": numbers + shift, "kind": ["a", "b"] * (count // 2)}).write_csv(path)
    return path


def test_two_files_are_held_against_each_other(command: Command, tmp_path: Path) -> None:
    was, same, moved = (rows(tmp_path / f"{shift}.csv", shift) for shift in (0.0, 0.05, 2.0))
    said = command("monitor", "drift", "--reference", was, "--current", same, "--json")
    assert (said.code, said.json["decision"]["passed"]) == (0, True)
    said = command("monitor", "drift", "demand", "--reference", was, "--current", moved, "--json")
    worst = said.json["columns"][0]
    assert (said.code, worst["column"], worst["drifted"]) == (1, "input.temp", True)
    assert worst["wasserstein"] == pytest.approx(2, rel=0.1)
    assert said.json["joint"]["auc"] > 0.8
    shown = command("monitor", "drift", "--reference", was, "--current", moved).out
    assert "input.temp drifted: PSI" in " ".join(shown.split())
    assert command("monitor", "drift", "--reference", was, "--json").json["error"] == "RequestError"


def test_a_column_of_one_file_alone_is_named_and_files_that_share_none_are_refused(
    command: Command, tmp_path: Path
) -> None:
    was, other = rows(tmp_path / "was.csv", 0.0), tmp_path / "other.csv"
    pl.read_csv(was).rename({"temp": "temperature"}).write_csv(other)
    said = " ".join(command("monitor", "drift", "--reference", was, "--current", other).out.split())
    assert "temp could not be compared: only the reference file has that" in said
    assert "temperature could not be compared: only the current file has that" in said
    pl.read_csv(other).drop("kind").write_csv(other)
    said = command("monitor", "drift", "--reference", was, "--current", other, "--json")
    assert (said.code, said.json["error"], "share no column" in said.json["message"]) == (1, "DataError", True)
    pl.read_csv(was).head(0).write_parquet(tmp_path / "none.parquet")
    said = command("monitor", "drift", "--reference", tmp_path / "none.parquet", "--current", was, "--json")
    assert (said.code, "has no rows" in said.json["message"]) == (1, True)


def test_a_misspelt_rule_is_refused_with_those_there_are(command: Command) -> None:
    said = command("monitor", "silence", "demand", "--rule", "drft", "--for", "2h", "--because", "a sale")
    assert said.code == 2
    assert "Choose from" in said.out + said.err


def test_traffic_is_held_against_the_test_rows_by_counts_and_by_rows(command: Command, live: Platform) -> None:
    nothing = command("monitor", "drift", "demand", "--json")
    assert (nothing.code, nothing.json["error"]) == (1, "NotFoundError")
    champion = live.rollouts.champion("demand")
    assert champion is not None
    reference = live.monitors.reference(champion)
    counts = {one.name: ColumnCounts(bins=tuple(10 * count for count in one.counts)) for one in reference.columns}
    now, length = live.clock.now(), timedelta(seconds=1)
    window = WindowSummary(
        endpoint="demand", revision=1, variant="champion", version=1, start=now, seconds=1, rows=10_000, columns=counts
    )
    keep_window(live.storage, window, window_of(now, length), length)
    said = command("monitor", "drift", "demand", "--json")
    assert (said.code, said.json["exact"], said.json["rows"]) == (0, False, 10_000)
    assert all(column["psi"] < 0.1 for column in said.json["columns"])
    tested = evaluation_rows(live, champion)
    capture(live, dict.fromkeys(range(tested.height), 10.0), tested)
    said = command("monitor", "drift", "demand", "--exact", "--json")
    assert said.json["was_rows"] == said.json["rows"] == tested.height
    found = {column["column"]: column for column in said.json["columns"]}
    answers = found.pop("output.prediction")  # which were ten each time
    assert answers["drifted"]
    assert answers["psi"] > 1
    assert all(column["psi"] == 0 for column in found.values())
