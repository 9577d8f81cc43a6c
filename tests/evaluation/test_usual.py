"""What ordinary windows reach: rows of one day that share their weather are no drift, a day unlike all others is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from time import perf_counter
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.bundle.bins import count_categories, count_numbers
from loopwright.bundle.outputs import task_signature
from loopwright.bundle.records import Input, Manifest, Reference
from loopwright.core.codec import from_json, to_json
from loopwright.evaluation.reference import make_reference
from loopwright.evaluation.usual import cut_windows
from loopwright.monitoring.columns import choose_basis, compare_columns
from loopwright.monitoring.drift import compare_rows
from loopwright.monitoring.rules import judge_drift
from loopwright.policies.retraining import Drift
from loopwright.statistics.divergence import psi
from loopwright.traffic.summary import ColumnCounts, WindowSummary

DRIFT = Drift()
FIRST = date(2026, 1, 1)
SKIES = np.array(["clear", "cloudy", "rain", "snow"])


def weather(rng: np.random.Generator, days: int, rows: int = 300, spread: float = 1.0) -> pl.DataFrame:
    """`rows` rows a day, which share a temperature and a sky; the load is each row's own."""
    day = np.repeat(np.arange(days), rows)
    return pl.DataFrame(
        {
            "day": pl.Series(FIRST + timedelta(days=int(one)) for one in day),
            "temp": 10 + 5 * spread * rng.normal(size=days)[day] + 0.5 * rng.normal(size=len(day)),
            "sky": SKIES[rng.choice(4, size=days, p=[0.5, 0.3, 0.15, 0.05])][day],
            "load": rng.lognormal(size=len(day)),
        }
    )


def reference_of(rows: pl.DataFrame, drift: Drift = DRIFT, time: str | None = "day") -> Reference:
    kinds = {"temp": "number", "sky": "text", "load": "number"}
    inputs = [Input(name=name, kind=kind) for name, kind in kinds.items() if name in rows.columns]
    manifest = Manifest(
        model="m",
        task="regression",
        runtime="python",
        signature=task_signature("regression", inputs),
        files={},
        created=datetime(2026, 1, 1, tzinfo=UTC),
    )
    outputs = {"prediction": rows[rows.columns[1]].to_numpy()}
    return make_reference(manifest, rows, outputs, time=time, drift=drift)


def usual_of(reference: Reference) -> dict[str, float]:
    return {one.name: one.usual for one in reference.columns}


def window_of(reference: Reference, rows: pl.DataFrame) -> WindowSummary:
    columns = {}
    for one in reference.columns:
        values = rows[one.name.removeprefix("input.") if one.name.startswith("input.") else "temp"]
        counts = (
            count_numbers(one.edges, values.to_numpy())
            if one.kind == "number"
            else count_categories(one.values, values.to_list())
        )
        columns[one.name] = ColumnCounts(bins=tuple(counts.tolist()))
    start = datetime(2026, 6, 1, tzinfo=UTC)
    return WindowSummary(
        endpoint="m", revision=1, variant="c", version=1, start=start, seconds=86400, rows=rows.height, columns=columns
    )


def decision_of(reference: Reference, rows: pl.DataFrame, drift: Drift = DRIFT):
    window = window_of(reference, rows)
    basis = choose_basis(reference, [], drift)
    return judge_drift(compare_columns(basis.reference, window, drift), rows.height, drift, basis.reason).decision


def test_an_ordinary_day_of_rows_that_share_their_weather_has_not_drifted() -> None:
    rng = np.random.default_rng(1)
    reference = reference_of(weather(rng, 60))
    blind = reference_of(weather(np.random.default_rng(1), 60), time=None)
    days = [weather(rng, 1) for _ in range(100)]
    assert sum(not decision_of(blind, one).passed for one in days) > 90
    assert sum(not decision_of(reference, one).passed for one in days) < 100 * 3 / 61 + 8
    passed = next(found for one in days if (found := decision_of(reference, one)).passed)
    assert "ordinary windows reach" in passed.because()


def test_a_day_unlike_any_of_the_reference_has_drifted_and_the_reason_says_what_ordinary_ones_reach() -> None:
    rng = np.random.default_rng(2)
    reference = reference_of(weather(rng, 60))
    hot = weather(rng, 1).with_columns(temp=40 + pl.Series(rng.normal(size=300)))
    decision = decision_of(reference, hot)
    assert not decision.passed
    reached = usual_of(reference)["input.temp"]
    assert f"(ordinary windows reach {reached:.2f})" in decision.because()
    (figures,) = (one.figures for one in decision.failures if "input.temp" in one.text)
    assert figures["usual"] == reached < figures["psi"]


def test_what_is_usual_is_the_greatest_index_of_a_window_against_the_others() -> None:
    rows = weather(np.random.default_rng(3), 12, rows=250)
    rows = rows.with_columns(temp=pl.when(pl.int_range(pl.len()) % 7 == 0).then(None).otherwise("temp"))
    for column in reference_of(rows).columns[:2]:
        name = column.name.removeprefix("input.")
        found = []
        for day in rows["day"].unique():
            sides = (rows.filter(pl.col("day") != day)[name], rows.filter(pl.col("day") == day)[name])
            if column.kind == "number":
                found.append(psi(*(count_numbers(column.edges, one.cast(float).to_numpy()) for one in sides)))
            else:
                found.append(psi(*(count_categories(column.values, one.to_list()) for one in sides)))
        assert column.usual == pytest.approx(max(found))


@given(st.integers(0, 2**32 - 1), st.integers(10, 60), st.integers(200, 500))
@settings(max_examples=30, deadline=None)
def test_rows_that_are_independent_are_judged_as_though_there_were_no_windows(seed: int, days: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    made = pl.DataFrame(
        {
            "day": weather(rng, days, rows)["day"],
            "temp": rng.normal(size=days * rows).round(1),
            "sky": SKIES[rng.choice(4, size=days * rows, p=[0.6, 0.3, 0.09, 0.01])],
        }
    )
    drift = Drift(alpha=1e-6)  # alpha bounds the chance that independent rows are taken for windows
    assert reference_of(made, drift) == reference_of(made, drift, time=None)


def test_independent_rows_are_seldom_taken_for_windows_also_where_values_are_rare() -> None:
    rng = np.random.default_rng(4)
    times = weather(rng, 20, 200)["day"]
    hits = 0
    for _ in range(200):
        sky = rng.zipf(1.6, size=4000).clip(max=10_000).astype(str)
        made = pl.DataFrame({"day": times, "temp": rng.exponential(size=4000), "sky": sky})
        hits += any(usual_of(reference_of(made, Drift(alpha=0.05))).values())
    assert hits <= 200 * 0.05 + 3 * (200 * 0.05 * 0.95) ** 0.5


def test_a_new_window_is_the_most_unlike_with_the_chance_of_its_rank() -> None:
    rng, over = np.random.default_rng(5), 0
    for _ in range(300):
        rows = weather(rng, 21, rows=200).select("day", "temp")
        new = rows["day"] == FIRST + timedelta(days=20)
        reference = reference_of(rows.filter(~new))
        (column,) = compare_columns(reference, window_of(reference, rows.filter(new)), DRIFT)[:1]
        over += column.psi >= column.usual > 0
    chance = 1 / 21
    assert over <= 300 * chance + 3 * (300 * chance * (1 - chance)) ** 0.5


def test_what_is_predicted_has_its_usual_too() -> None:
    usual = usual_of(reference_of(weather(np.random.default_rng(6), 40)))
    assert usual["output.prediction"] == usual["input.temp"] > 1
    assert usual["input.sky"] > 1
    assert usual["input.load"] == 0


def test_windows_are_cut_as_those_of_traffic_are() -> None:
    drift = Drift(window="1h", min_rows=2)
    start = datetime(2026, 1, 1, 23, 30, tzinfo=UTC)
    moments = [start + timedelta(minutes=15 * place) for place in range(48)]
    cut = cut_windows(pl.Series(moments), drift)
    assert cut is not None
    assert cut.count == 13
    assert cut.of.tolist() == [1, 1, *(1 + place // 4 for place in range(4, 48)), 13, 13]
    there = pl.Series(moments).dt.convert_time_zone("Asia/Kolkata")
    assert cut_windows(there, drift).of.tolist() == cut.of.tolist()
    assert moments[0].astimezone(ZoneInfo("Asia/Kolkata")).hour == 5


def test_where_times_are_dates_no_window_is_shorter_than_a_day() -> None:
    days = pl.Series([FIRST + timedelta(days=place // 3) for place in range(60)])
    hours, whole = (cut_windows(days, Drift(window=window, min_rows=3)) for window in ("1h", "1d"))
    assert hours is not None
    assert whole is not None
    assert hours.of.tolist() == whole.of.tolist() == [1 + place // 3 for place in range(60)]


def test_windows_with_too_few_rows_and_rows_without_time_are_no_windows() -> None:
    days = [FIRST + timedelta(days=place) for place in range(11) for _ in range(1 if place == 4 else 5)]
    cut = cut_windows(pl.Series([None, *days]), Drift(min_rows=5))
    assert cut is not None
    assert cut.count == 10
    assert (cut.of[0], cut.of[1], cut.of[21], cut.of[22], cut.of[-1]) == (0, 1, 0, 5, 10)
    assert cut_windows(pl.Series(days), Drift(min_rows=6)) is None
    assert cut_windows(pl.Series(days[:40]), Drift(min_rows=5)) is None


@pytest.mark.parametrize("times", [pl.Series(range(60)), pl.Series(["2026-01-01"] * 60), pl.Series([None] * 60)])
def test_times_that_are_no_moments_make_no_windows(times: pl.Series) -> None:
    assert cut_windows(times, Drift(min_rows=1)) is None


def test_a_column_that_is_missing_in_most_windows_has_no_usual() -> None:
    rows = weather(np.random.default_rng(7), 15)
    rows = rows.with_columns(sky=pl.when(pl.col("day") < FIRST + timedelta(days=9)).then("sky"))
    usual = usual_of(reference_of(rows.with_columns(temp=pl.lit(None, dtype=pl.Float64))))
    assert (usual["input.sky"], usual["input.temp"]) == (0, 0)


def test_a_column_of_one_value_a_window_has_no_usual() -> None:
    rows = weather(np.random.default_rng(7), 12)
    once = pl.int_range(pl.len()) % 300 == 5
    rows = rows.with_columns(sky=pl.when(once).then(pl.col("day").cast(pl.String)), temp=pl.when(once).then("temp"))
    usual = usual_of(reference_of(rows))
    assert (usual["input.sky"], usual["input.temp"]) == (0, 0)


def test_a_reference_without_what_is_usual_is_still_read() -> None:
    reference = reference_of(weather(np.random.default_rng(8), 12), time=None)
    old = to_json(reference).replace(b',"usual":0.0', b"").replace(b'"usual":0.0,', b"")
    assert b"usual" not in old
    assert from_json(old, Reference) == reference


def test_exact_rows_are_judged_by_it_too() -> None:
    rng = np.random.default_rng(9)
    rows = weather(rng, 60)
    usual = {name.removeprefix("input."): one for name, one in usual_of(reference_of(rows)).items()}
    days = [weather(rng, 1) for _ in range(20)]
    assert sum(one.drifted for day in days for one in compare_rows(rows, day, DRIFT)) > 30
    assert sum(one.drifted for day in days for one in compare_rows(rows, day, DRIFT, usual=usual)) < 5
    hot = days[0].with_columns(temp=pl.col("temp") + 40)
    assert compare_rows(rows, hot, DRIFT, usual=usual)[0].drifted


def test_it_costs_little() -> None:
    rng = np.random.default_rng(10)
    rows = pl.DataFrame({"day": weather(rng, 100, 2000)["day"]}).with_columns(
        temp=rng.normal(size=200_000), sky=SKIES[rng.integers(0, 4, 200_000)]
    )
    taken = []
    for time in (None, "day"):
        start = perf_counter()
        reference_of(rows, time=time)
        taken.append(perf_counter() - start)
    assert taken[1] - taken[0] < 0.5
