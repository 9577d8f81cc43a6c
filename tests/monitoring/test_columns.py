"""What a window is held against: the evaluation rows, or the same time of earlier seasons."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from loopwright.bundle.records import Reference, ReferenceColumn
from loopwright.monitoring.columns import choose_basis, compare_columns, is_seasonal
from loopwright.monitoring.rules import judge_drift
from loopwright.policies.retraining import Drift
from loopwright.traffic.summary import ColumnCounts, WindowSummary

DAY = (0, 400, 400, 100, 100, 0)
NIGHT = (0, 20, 80, 400, 500, 0)
REFERENCE = Reference(
    rows=1000,
    columns=(
        ReferenceColumn(name="input.temp", kind="number", counts=DAY, edges=(0.0, 1.0, 2.0, 3.0, 4.0), importance=1.0),
        ReferenceColumn(name="input.gone", kind="number", counts=DAY, edges=(0.0, 1.0, 2.0, 3.0, 4.0)),
    ),
)
SEASONAL = Drift(season="day", window="1h")


def hour(counts, day: int = 0) -> WindowSummary:
    return WindowSummary(
        endpoint="demand",
        revision=1,
        variant="champion",
        version=1,
        start=datetime(2026, 1, 10, 3, tzinfo=UTC) - timedelta(days=day),
        seconds=3600,
        rows=sum(counts),
        columns={"input.temp": ColumnCounts(bins=tuple(counts))},
    )


def judged(window: WindowSummary, earlier: list[WindowSummary], drift: Drift = SEASONAL):
    basis = choose_basis(REFERENCE, earlier, drift)
    columns = compare_columns(basis.reference, window, drift, basis.spread)
    return basis, judge_drift(columns, window.rows, drift, basis.reason).decision


def test_a_night_like_other_nights_has_not_drifted_though_it_is_unlike_the_whole() -> None:
    nights = [hour(NIGHT, day) for day in (1, 2, 3)]
    basis, decision = judged(hour(NIGHT), nights)
    assert basis.seasons == 3
    assert decision.passed
    assert is_seasonal(decision)
    assert "held against the same time of 3 earlier days, 3,000 rows" in decision.because()
    _, decision = judged(hour(NIGHT), nights, Drift())
    assert not decision.passed
    assert not is_seasonal(decision)


def test_a_night_like_a_day_has_drifted() -> None:
    _, decision = judged(hour(DAY), [hour(NIGHT, day) for day in (1, 2, 3)])
    assert not decision.passed


def test_until_there_are_seasons_enough_the_evaluation_rows_are_the_reference() -> None:
    for earlier in ([], [hour(NIGHT, 1), hour(NIGHT, 2)], [hour((0,) * 6, day) for day in range(5)]):
        basis, _ = judged(hour(NIGHT), earlier)
        assert (basis.seasons, basis.reference) == (0, REFERENCE)
        assert "3 are needed" in basis.reason.text
    few = [hour((0, 1, 4, 20, 25, 0), day) for day in (1, 2, 3)]  # 150 rows, fewer than min_rows
    assert judged(hour(NIGHT), few)[0].seasons == 0


def test_seasons_that_differ_among_themselves_make_the_test_less_sure() -> None:
    rng = np.random.default_rng(1)
    nights = [
        hour([0, *rng.multinomial(2_000, rng.dirichlet(np.array([1, 4, 20, 25]) * 2.0)).tolist(), 0], day)
        for day in range(1, 7)
    ]
    basis, _ = judged(hour(NIGHT), nights)
    assert basis.spread["input.temp"] > 10
    apart = hour((0, 80, 120, 350, 450, 0))
    (sure,) = compare_columns(basis.reference, apart, SEASONAL)
    (unsure,) = compare_columns(basis.reference, apart, SEASONAL, basis.spread)
    assert sure.p_value is not None
    assert unsure.p_value is not None
    assert sure.p_value < 0.01 < unsure.p_value
    assert sure.psi == unsure.psi


def test_what_windows_of_all_hours_reach_says_nothing_of_one_hour() -> None:
    wide = replace(REFERENCE, columns=tuple(replace(one, usual=9.0) for one in REFERENCE.columns))
    nights = [hour(NIGHT, day) for day in (1, 2, 3)]
    for earlier, drifted in ((nights, True), ([], False)):
        basis = choose_basis(wide, earlier, SEASONAL)
        (column,) = compare_columns(basis.reference, hour(DAY if earlier else NIGHT), SEASONAL, basis.spread)
        assert column.psi is not None
        assert 0.2 < column.psi < 9
        assert column.drifted == drifted


def test_values_of_no_bin_are_usual_where_earlier_seasons_had_them_too() -> None:
    odd = ColumnCounts(bins=NIGHT, missing=100, unseen=400)
    earlier = [replace(hour(NIGHT, day), columns={"input.temp": odd}) for day in (1, 2, 3)]
    now = replace(hour(NIGHT), columns={"input.temp": odd})
    basis = choose_basis(REFERENCE, earlier, SEASONAL)
    (column,) = compare_columns(basis.reference, now, SEASONAL, basis.spread)
    assert (column.rows, column.was_rows) == (1500, 4500)
    assert column.unseen_share == column.was_unseen == 400 / 1500
    assert column.was_missing == 100 / 1500
