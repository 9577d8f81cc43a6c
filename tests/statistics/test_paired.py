"""Paired comparisons agree with the tests they are made of, hold their level, and admit what they cannot tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, signal, stats
from statsmodels.stats.contingency_tables import mcnemar

from loopwright.statistics.dependence import (
    Dependence,
    Spread,
    _cosine_sums,
    in_clusters,
    in_order,
    independent,
    spread,
)
from loopwright.statistics.metrics import METRICS_OF, prepare
from loopwright.statistics.paired import Paired, _upright, compare
from loopwright.statistics.statistic import Statistic

pytestmark = pytest.mark.filterwarnings("error")


def mae(values: Any) -> Statistic:
    return made("regression", "mae", np.zeros(len(values)), values)


def made(task: Any, name: str, target: Any, scores: Any) -> Statistic:
    found = prepare(task, name, target, scores)
    assert found is not None
    return found


def held(a: Statistic, b: Statistic, dependence: Dependence | None = None, **more: Any) -> Paired:
    found = compare(a, b, dependence or independent(a.rows), **more)
    assert found is not None
    return found


def accuracies(both: int, ours: int, theirs: int, neither: int) -> tuple[Statistic, Statistic]:
    hits = [(1, 1)] * both + [(1, 0)] * ours + [(0, 1)] * theirs + [(0, 0)] * neither
    one, other = np.array(hits, dtype=float).T
    ones = np.ones(len(hits))
    return made("binary", "accuracy", ones, one), made("binary", "accuracy", ones, other)


@given(st.integers(20, 300), st.integers(0, 10_000), st.floats(0, 0.3))
@settings(max_examples=40, deadline=None)
def test_a_mean_loss_is_a_paired_t_test_of_the_contrast(rows: int, seed: int, margin: float) -> None:
    """But for its freedom, which the kurtosis lowers: so the t value is compared."""
    rng = np.random.default_rng(seed)
    a, b = rng.exponential(size=(2, rows))
    found = held(mae(a), mae(b), more_is_better=False, margin=margin)
    expected = stats.ttest_1samp((1 + margin) * b - a, 0)
    assert found.error is not None
    assert (found.difference + found.allowed) / found.error == pytest.approx(expected.statistic, rel=1e-5)


@given(*[st.integers(0, 60)] * 4)
@settings(max_examples=60, deadline=None)
def test_accuracy_without_a_margin_is_mcnemars_mid_p_test(both: int, ours: int, theirs: int, neither: int) -> None:
    neither += 2
    found = held(*accuracies(both, ours, theirs, neither), more_is_better=True)
    two_sided = mcnemar([[both, ours], [theirs, neither]], exact=True).pvalue
    assert found.p_better is not None
    assert found.p_worse is not None
    rows = ours + theirs
    exact = stats.binom.sf(ours - 1, rows, 0.5)
    assert found.p_better == pytest.approx(exact - stats.binom.pmf(ours, rows, 0.5) / 2, rel=1e-6)
    assert found.p_better + found.p_worse == pytest.approx(1)
    if ours > theirs:
        assert exact == pytest.approx(two_sided / 2, rel=1e-6)
        assert found.p_better <= two_sided / 2 + 1e-12


@pytest.mark.parametrize("cells", [(40, 6, 9, 5), (80, 3, 0, 17), (90, 0, 0, 10), (30, 1, 14, 3), (50, 0, 6, 0)])
@pytest.mark.parametrize("margin", [0.02, 0.1])
def test_accuracy_with_a_margin_is_the_score_test_of_a_ratio(cells: tuple[int, ...], margin: float) -> None:
    """Whose error is that of the likeliest table under the null hypothesis, here found by a general optimiser."""
    found = held(*accuracies(*cells), more_is_better=True, margin=margin)
    counts, values = np.array(cells) / sum(cells), np.array([margin, 1, margin - 1, 0])
    likeliest = optimize.minimize(
        lambda shares: -(counts * np.log(np.maximum(shares, 1e-12))).sum(),
        (counts + 0.05) / 1.2,
        bounds=[(0, 1)] * 4,
        constraints=[
            {"type": "eq", "fun": lambda shares: shares.sum() - 1},
            {"type": "eq", "fun": lambda shares: shares @ values},
        ],
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert found.error == pytest.approx(np.sqrt(likeliest.x @ values**2 / sum(cells)), rel=0.01)
    z = (counts @ values) / found.error
    assert found.p_not_worse == pytest.approx(stats.norm.sf(z))


def test_auc_has_delongs_error() -> None:
    rng = np.random.default_rng(3)
    truth = rng.random(200) < 0.4
    a, b = truth + rng.normal(size=200), truth + rng.normal(size=200)
    found = held(made("binary", "roc_auc", truth, a), made("binary", "roc_auc", truth, b), more_is_better=True)
    assert found.error == pytest.approx(delong(truth, a, b), rel=0.01)


def delong(truth: Any, a: Any, b: Any) -> float:
    """By the definition: the variances of both classes' placements, each over its own number of rows."""
    outranks = [(s[truth][:, None] > s[~truth][None]) + 0.5 * (s[truth][:, None] == s[~truth][None]) for s in (a, b)]
    apart = outranks[0] - outranks[1]
    positives, negatives = apart.mean(axis=1), apart.mean(axis=0)
    return float(np.sqrt(positives.var(ddof=1) / len(positives) + negatives.var(ddof=1) / len(negatives)))


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_influence_is_the_derivative_of_every_metric_by_the_weights(task: Any) -> None:
    rng = np.random.default_rng(4)
    target: Any = rng.normal(50, 9, 60) if task == "regression" else rng.integers(0, 2 + (task == "multiclass"), 60)
    shaped = rng.dirichlet(np.ones(3), 60) if task == "multiclass" else rng.random(60)
    scores = target + 5 * shaped if task == "regression" else shaped
    for name in METRICS_OF[task]:
        statistic = made(task, name, target, scores)
        heavier = np.ones(60)
        heavier[7] += 1e-5
        slope = (statistic.value(heavier) - statistic.value()) / 1e-5 * 60
        assert statistic.influence()[7] == pytest.approx(slope, rel=1e-2, abs=1e-3), name
        assert statistic.influence().sum() == pytest.approx(0, abs=1e-6), name


def test_clusters_of_alike_rows_count_once_each() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.exponential(size=(2, 60))
    alone = held(mae(a), mae(b), more_is_better=False)
    names = np.repeat(np.arange(60), 25)
    together = held(mae(a[names]), mae(b[names]), in_clusters(names), more_is_better=False)
    assert together.error == pytest.approx(alone.error, rel=1e-6)
    assert together.p_better == pytest.approx(alone.p_better, rel=1e-6)


def test_neighbours_that_are_alike_make_the_error_that_of_their_long_run() -> None:
    rng = np.random.default_rng(6)
    noise = signal.lfilter([1], [1, -0.8], rng.normal(size=20_000))
    a, b = noise - noise.min(), np.full(20_000, 5.0)
    found = held(mae(a), mae(b), in_order(np.arange(20_000)), more_is_better=False)
    assert found.error == pytest.approx(5 / np.sqrt(20_000), rel=0.12)  # the long-run deviation is 1 / (1 - 0.8)
    moments = np.repeat(np.arange(5_000), 4)
    assert held(mae(a), mae(b), in_order(moments), more_is_better=False).error == pytest.approx(found.error, rel=0.1)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_how_the_sum_of_rows_in_order_leans_is_found_and_told_of_few_rows_by_none(sign: float) -> None:
    random, rows, alike = np.random.default_rng(3), 20_000, 0.6
    series = signal.lfilter([1.0], [1, -alike], sign * (random.exponential(size=rows) - 1))
    found = spread(series - series.mean(), in_order(np.arange(rows)))
    assert found is not None
    # Of a linear process the sum's third standardized moment is its innovations', which is 2, over sqrt(rows).
    assert found.skew * sign == pytest.approx(2 / np.sqrt(rows), rel=0.35)
    few = spread(series[:40] - series[:40].mean(), in_order(np.arange(40)))
    assert few is not None
    assert few.skew == 0.0
    assert Spread(error=1.0, freedom=5.0).skew == 0.0


@given(st.floats(-6, 6), st.floats(-6, 6), st.floats(-0.5, 0.0))
def test_what_takes_the_lean_away_never_falls_as_the_figure_rises_and_never_helps_it(
    one: float, other: float, skew: float
) -> None:
    low, high = sorted((one, other))
    assert _upright(low, skew) <= _upright(high, skew) + 1e-12
    assert _upright(low, 0.0) == low
    if 0 <= high <= 6:
        assert _upright(high, skew) <= high


def test_cosine_sums_are_those_of_their_definition() -> None:
    sums = np.random.default_rng(7).normal(size=41)
    times = np.arange(41) + 0.5
    expected = [abs((sums * np.cos(np.pi * k * times / 41)).sum()) for k in range(1, 6)]
    assert _cosine_sums(sums, 5) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "margin", "ordered"),
    [("mae", 0.0, False), ("mae", 0.1, True), ("accuracy", 0.0, False), ("accuracy", 0.05, True)],
)
def test_the_level_is_kept_at_the_boundary(name: str, margin: float, ordered: bool) -> None:
    """2.5 % to 7.5 % of 400 at 5 %: five standard errors to either side at most; the benchmark measures it closely."""
    rng, wrong = np.random.default_rng(8), 0
    for _ in range(400):
        shared = rng.normal(size=300)
        if name == "mae":
            a, b = (np.abs(shared + rng.normal(size=300)) for _ in range(2))
            pair: Any = mae((1 + margin) * a), mae(b)
        else:
            hit = [(shared + rng.normal(size=300)) / np.sqrt(2) < stats.norm.ppf(0.9 * s) for s in (1 - margin, 1)]
            pair = tuple(made("binary", "accuracy", np.ones(300), one.astype(float)) for one in hit)
        found = held(*pair, in_order(np.arange(300)) if ordered else None, more_is_better=name != "mae", margin=margin)
        assert found.p_not_worse is not None
        wrong += found.p_not_worse <= 0.05
    assert 10 <= wrong <= 30


@given(st.integers(12, 80), st.integers(0, 999), st.floats(0, 0.4), st.booleans())
@settings(max_examples=40, deadline=None)
def test_p_values_fall_as_the_margin_grows_and_oppose_each_other(
    rows: int, seed: int, margin: float, ordered: bool
) -> None:
    a, b = np.random.default_rng(seed).exponential(size=(2, rows))
    dependence = in_order(np.arange(rows)) if ordered else independent(rows)
    found = held(mae(a), mae(b), dependence, more_is_better=False, margin=margin)
    assert found.p_better is not None
    assert found.p_not_worse is not None
    assert found.p_worse is not None
    assert found.p_not_worse <= found.p_better + 1e-9
    assert found.low is not None
    if ordered:  # whichever way the figure leans, neither is shown more easily by it
        assert found.p_not_worse + found.p_worse > 1 - 1e-9
        assert found.low > 0 or found.p_better >= 0.05
    else:
        assert found.p_not_worse + found.p_worse == pytest.approx(1)
        assert (found.low > 0) == (found.p_better < 0.05)


def test_equal_predictions_are_not_worse_and_not_better() -> None:
    values = np.random.default_rng(9).exponential(size=100)
    found = held(mae(values), mae(values), more_is_better=False, margin=0.05)
    assert found.p_better == 1
    assert found.p_not_worse is not None
    assert found.p_not_worse < 1e-6


def test_where_the_two_hardly_differ_few_rows_do_not_show_a_small_margin() -> None:
    """No row of 50 differs; were one in fifty lost, that would happen a third of the time."""
    found = held(*accuracies(45, 0, 0, 5), more_is_better=True, margin=0.02)
    assert found.p_not_worse is not None
    assert found.p_not_worse > 0.1


def test_what_has_no_value_is_not_compared_and_too_few_moments_have_no_bounds() -> None:
    one_class = made("binary", "roc_auc", np.zeros(30), np.linspace(0, 1, 30))
    assert compare(one_class, one_class, independent(30), more_is_better=True) is None
    few = held(mae(np.ones(40)), mae(np.full(40, 2.0)), in_order(np.arange(40) // 8), more_is_better=False)
    assert (few.difference, few.low, few.p_better, few.p_not_worse) == (1, None, None, None)
    alone = held(mae(np.ones(1)), mae(np.ones(1)), more_is_better=False)
    assert alone.p_not_worse is None
    with pytest.raises(ValueError, match="figures over 2 and 2 rows, of which 3 are"):
        compare(mae(np.ones(2)), mae(np.ones(2)), independent(3), more_is_better=False)


def test_a_perfect_candidate_and_a_worthless_baseline() -> None:
    truth = np.arange(40) % 2
    perfect, worthless = (made("binary", "roc_auc", truth, one) for one in (truth * 0.9, np.zeros(40)))
    found = held(perfect, worthless, more_is_better=True, margin=0.05)
    assert found.p_better is not None
    assert found.p_better < 0.01
    nothing = made("binary", "accuracy", truth, 1.0 - truth)
    both_wrong = held(nothing, nothing, more_is_better=True, margin=0.05)
    assert both_wrong.p_better == 0.5
