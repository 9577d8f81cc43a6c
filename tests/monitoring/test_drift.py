"""Drift of exact rows: every statistic, the columns that can be compared, and rows as a whole."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from scipy import stats

from loopwright.monitoring.drift import compare_rows, report_rows
from loopwright.monitoring.joint import joint_drift
from loopwright.policies.retraining import Drift
from loopwright.statistics.divergence import jensen_shannon, psi
from loopwright.statistics.histogram import count_into, edges_from

DRIFT = Drift()


def table(rng: np.random.Generator, rows: int, shift: float = 0.0) -> pl.DataFrame:
    temp = rng.normal(shift, size=rows)
    return pl.DataFrame(
        {
            "temp": np.where(rng.random(rows) < 0.1, np.nan, temp),
            "hour": rng.integers(0, 12, rows),
            "kind": pl.Series(["a", "b", "c", None])[rng.integers(0, 4, rows)],
            "day": [date(2026, 1, 1)] * rows,
        }
    )


def test_figures_are_those_of_scipy_and_of_the_counts() -> None:
    rng = np.random.default_rng(1)
    was, now = table(rng, 4_000), table(rng, 3_000, 0.3)
    temp, hour, kind = compare_rows(was, now, DRIFT)
    a, b = (one["temp"].drop_nans().to_numpy() for one in (was, now))
    assert temp.statistic == pytest.approx(stats.ks_2samp(a, b).statistic)
    assert temp.wasserstein == pytest.approx(stats.wasserstein_distance(a, b) / a.std())
    edges = edges_from(a)
    first, second = (count_into(edges, one).counts for one in (a, b))
    assert temp.psi == pytest.approx(psi(first, second))
    assert temp.jensen_shannon == pytest.approx(jensen_shannon(first, second))
    assert (temp.missing_share, temp.was_missing) == (
        pytest.approx(now["temp"].is_nan().mean()),
        pytest.approx(was["temp"].is_nan().mean()),
    )
    assert hour.statistic == pytest.approx(stats.ks_2samp(was["hour"], now["hour"]).statistic)
    counts = [one["kind"].value_counts().drop_nulls().sort("kind")["count"].to_list() for one in (was, now)]
    assert kind.statistic == pytest.approx(stats.chi2_contingency(counts, correction=False).statistic)
    assert temp.p_value is not None
    assert temp.p_value < 1e-6
    assert "day" not in {one.column for one in (temp, hour, kind)}


def test_stationary_rows_raise_no_alarm_more_often_than_alpha() -> None:
    rng = np.random.default_rng(2)
    drift = Drift(psi=0.0, alpha=0.1)
    was = table(rng, 2_000)
    hits = sum(any(one.drifted for one in compare_rows(was, table(rng, 500), drift)) for _ in range(200))
    assert hits <= 200 * 0.1 + 3 * np.sqrt(200 * 0.1 * 0.9)


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None] * 50,
        [float("nan")] * 50,
        [1.0] * 50,
        [float("inf"), float("-inf")] * 25,
        [1e308, -1e308] * 25,
        [float("inf"), *np.arange(60.0)],
    ],
)
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_odd_columns_are_compared_as_far_as_they_can_be(values: list[float | None]) -> None:
    odd = pl.DataFrame({"temp": pl.Series(values, dtype=pl.Float64)})
    plain = pl.DataFrame({"temp": np.arange(100.0)})
    for was, now in ((odd, plain), (plain, odd), (odd, odd)):
        (column,) = compare_rows(was, now, DRIFT)
        for figure in (column.psi, column.p_value, column.jensen_shannon):
            assert figure is None or np.isfinite(figure)


def test_the_report_weighs_columns_and_says_what_it_is_of() -> None:
    rng = np.random.default_rng(3)
    was, now = table(rng, 2_000), table(rng, 2_000, 2.0)
    said = {"reference": "January", "current": "July", "rows": now.height, "was_rows": was.height}
    matters = report_rows(compare_rows(was, now, DRIFT, {"temp": 0.9, "hour": 0.1}), None, DRIFT, **said)
    assert not matters.decision.passed
    assert matters.columns[0].column == "input.temp"
    harmless = report_rows(compare_rows(was, now, DRIFT, {"temp": 0.01, "hour": 0.99}), None, DRIFT, **said)
    assert harmless.decision.passed
    assert harmless.columns[0].drifted


def test_a_classifier_finds_what_no_column_shows() -> None:
    rng = np.random.default_rng(4)
    was = pl.DataFrame(rng.normal(size=(2_000, 2)), schema=["a", "b"])
    now = pl.DataFrame(rng.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], 1_500), schema=["a", "b"])
    assert not any(one.drifted for one in compare_rows(was, now, DRIFT))
    joint = joint_drift(was, now)
    assert joint is not None
    assert joint.auc > 0.7
    assert joint.p_value < 1e-6
    assert sum(joint.columns.values()) == pytest.approx(1)


def test_a_classifier_is_seldom_sure_of_nothing() -> None:
    rng = np.random.default_rng(5)
    sure = 0
    for _ in range(40):
        joint = joint_drift(table(rng, 400), table(rng, 300))
        assert joint is not None
        sure += joint.p_value < 0.1
    assert sure <= 10


def test_a_classifier_sees_categories_and_wants_rows_enough() -> None:
    rng = np.random.default_rng(6)
    was = pl.DataFrame({"kind": rng.choice(["a", "b"], 500), "day": [date(2026, 1, 1)] * 500})
    now = pl.DataFrame({"kind": rng.choice(["b", "c"], 500), "day": [date(2026, 2, 1)] * 500})
    joint = joint_drift(was, now)
    assert joint is not None
    assert joint.auc > 0.7
    assert joint_drift(was, now.head(50)) is None
    assert joint_drift(was.select("day"), now.select("day")) is None


def test_values_that_the_reference_never_showed_are_unseen_however_common_they_are() -> None:
    was = pl.DataFrame({"sky": ["clear"] * 900 + ["rain"] * 100})
    now = pl.DataFrame({"sky": ["clear"] * 600 + ["sand"] * 300 + [None] * 100})
    (column,) = compare_rows(was, now, Drift())
    assert (column.unseen_share, column.was_unseen, column.missing_share) == (0.3, 0.0, 0.1)
