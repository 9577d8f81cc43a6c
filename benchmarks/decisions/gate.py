"""The gate: wrong promotions at each rule's null boundary, power beside the best fixed test of the same size, creep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from math import sqrt
from typing import Literal

import numpy as np
from scipy import signal, stats
from serving.figures import Figure

from decisions import creep
from decisions.effort import Effort
from loopwright.policies.tasks import METRICS, TaskName
from loopwright.statistics.arrays import Floats
from loopwright.statistics.bootstrap import by_blocks, by_rows, resampled
from loopwright.statistics.dependence import in_order, independent
from loopwright.statistics.metrics import prepare
from loopwright.statistics.paired import compare
from loopwright.statistics.statistic import Statistic

ALPHA, MARGIN, ALIKE, SHARED = 0.05, 0.05, 0.7, 0.6
Metric = Literal["roc_auc", "rmse", "accuracy"]
METRICS_TRIED: tuple[Metric, ...] = ("roc_auc", "rmse", "accuracy")
AGAIN = 6
"""So many times the simulations, with another seed, try a rate again whose interval lies above the level."""
SETTLED = 300
"""Steps until a series has forgotten its start."""


@dataclass(frozen=True, kw_only=True)
class World:
    """`rows` on which two models are held against each other; in order, neighbours are alike by the factor `ALIKE`.

    `ahead` is how far the candidate truly lies ahead of the boundary of the rule, a share of the champion's figure.
    """

    metric: Metric
    rows: int
    margin: float
    ordered: bool
    ahead: float = 0.0

    @property
    def name(self) -> str:
        rule = "not inferior" if self.margin else "superior"
        return f"{rule}, {self.metric}, {self.rows:,} {'ordered' if self.ordered else 'independent'} rows"

    def pair(self, rng: np.random.Generator) -> tuple[Statistic, Statistic]:
        """Candidate and champion, whose errors are correlated."""
        first, other, third = (self._series(rng) for _ in range(3))
        second = SHARED * first + sqrt(1 - SHARED**2) * other
        more = METRICS[self.metric][1]
        ratio = 1 - self.margin + self.ahead if more else 1 + self.margin - self.ahead
        if self.metric == "rmse":
            return _made("regression", "rmse", np.zeros(self.rows), ratio * second, first)
        if self.metric == "accuracy":
            hits = [(one < stats.norm.ppf(share)) * 1.0 for one, share in ((second, 0.85 * ratio), (first, 0.85))]
            return _made("binary", "accuracy", np.ones(self.rows), *hits)
        truth = (third < stats.norm.ppf(0.3)) * 1.0
        lifts = [sqrt(2) * stats.norm.ppf(area) for area in (0.85 * ratio, 0.85)]
        return _made("binary", "roc_auc", truth, lifts[0] * truth + second, lifts[1] * truth + first)

    def p_value(self, pair: tuple[Statistic, Statistic]) -> float:
        dependence = in_order(np.arange(self.rows)) if self.ordered else independent(self.rows)
        found = compare(*pair, dependence, more_is_better=METRICS[self.metric][1], margin=self.margin)
        assert found is not None
        p_value = found.p_not_worse if self.margin else found.p_better
        assert p_value is not None
        return p_value

    def contrast(self, pair: tuple[Statistic, Statistic]) -> float:
        """How far the candidate's figure lies ahead of the bar, in the metric's unit."""
        ours, theirs = (one.value() for one in pair)
        more = METRICS[self.metric][1]
        return ours - (1 - self.margin) * theirs if more else (1 + self.margin) * theirs - ours

    @property
    def usual(self) -> float:
        """The champion's figure."""
        return 1.0 if self.metric == "rmse" else 0.85

    def _series(self, rng: np.random.Generator) -> Floats:
        if not self.ordered:
            return rng.normal(size=self.rows)
        return _smoothed(rng.normal(size=self.rows + SETTLED))[SETTLED:]


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of so many simulations: each one's p-value, and how far the candidate's figure lay above the bar."""

    p_values: Floats
    contrasts: Floats


def measure(effort: Effort) -> Iterator[Figure]:
    for metric in METRICS_TRIED:
        for ordered in (False, True):
            for margin in (0.0, MARGIN):
                for rows in (200, 1_000):
                    world = World(metric=metric, rows=rows, margin=margin, ordered=ordered)
                    at_bar = _try(world, effort.simulations, effort.seed)
                    found = _wrong("wrong promotions", world, at_bar)
                    yield found
                    if found.met is False and not effort.quick:  # of so many rates one or two will seem so by chance
                        again = _try(world, AGAIN * effort.simulations, effort.seed + 1)
                        yield _wrong("wrong promotions, tried again", world, again)
                yield _power(world, at_bar, effort)
    for metric in METRICS_TRIED:
        for ordered in (False, True):
            yield _percentile(World(metric=metric, rows=200, margin=MARGIN, ordered=ordered), effort)
    yield from creep.measure(effort)


def _try(world: World, turns: int, seed: int) -> Tried:
    rng = np.random.default_rng([seed, world.rows, int(world.ordered), int(world.margin > 0), int(world.ahead > 0)])
    found = []
    for _ in range(turns):
        pair = world.pair(rng)
        found.append((world.p_value(pair), world.contrast(pair)))
    p_values, contrasts = np.array(found).T
    return Tried(p_values=p_values, contrasts=contrasts)


def _wrong(what: str, world: World, tried: Tried) -> Figure:
    turns = len(tried.p_values)
    return _share(what, world.name, int((tried.p_values <= ALPHA).sum()), turns, at_most=_most(turns))


def _power(world: World, at_bar: Tried, effort: Effort) -> Figure:
    """Beside a test that knows how the contrast is distributed at the bar: no test of it of the same size sees more.

    The effect is one that such a test would see four times in five.
    """
    effect = 2.486 * float(at_bar.contrasts.std()) / world.usual
    tried = _try(replace(world, ahead=effect), effort.simulations, effort.seed)
    best = float((tried.contrasts > np.quantile(at_bar.contrasts, 1 - ALPHA)).mean())
    ours = float((tried.p_values <= ALPHA).mean())
    low, high = _interval(round(ours * effort.simulations), effort.simulations)
    return Figure(
        part="gate",
        name=f"power over the best's: {world.name}",
        unit="",
        value=ours / best,
        low=low / best,
        high=high / best,
        at_least=0.9,
        note=f"{ours:.1%} of the time {effect:.1%} ahead of the bar, the best fixed test {best:.1%}",
    )


def _percentile(world: World, effort: Effort) -> Figure:
    """What the gate did before: a percentile bootstrap's lower bound against the margin of the champion's figure."""
    turns, wrong = max(20, effort.simulations // 4), 0
    rng = np.random.default_rng([effort.seed, 1])
    sign = 1.0 if METRICS[world.metric][1] else -1.0
    for turn in range(turns):
        ours, theirs = world.pair(rng)
        draws = (by_blocks if world.ordered else by_rows)(world.rows, seed=turn)
        drawn = sign * (resampled(ours, draws) - resampled(theirs, draws))
        wrong += float(np.nanquantile(drawn, ALPHA)) >= -world.margin * theirs.value()
    return _share("wrong promotions of a percentile bootstrap", world.name, wrong, turns)


def _share(what: str, name: str, hits: int, turns: int, at_most: float | None = None) -> Figure:
    low, high = _interval(hits, turns)
    value = 100 * hits / turns
    return Figure(
        part="gate",
        name=f"{what}: {name}",
        unit="%",
        value=value,
        low=100 * low,
        high=100 * high,
        at_most=at_most,
        note=f"of {turns:,}",
    )


def _interval(hits: int, turns: int) -> tuple[float, float]:
    found = stats.binomtest(hits, turns).proportion_ci(0.95, method="exact")
    return float(found.low), float(found.high)


@cache
def _most(turns: int) -> float:
    """The greatest percentage whose interval does not lie above 5 %."""
    return max(100 * hits / turns for hits in range(turns // 5) if _interval(hits, turns)[0] <= ALPHA)


def _made(task: TaskName, name: str, target: Floats, *scores: Floats) -> tuple[Statistic, Statistic]:
    first, second = (prepare(task, name, target, one) for one in scores)
    assert first is not None
    assert second is not None
    return first, second


def _smoothed(noise: Floats) -> Floats:
    """A series of unit variance in which each step keeps `ALIKE` of the one before."""
    found: Floats = signal.lfilter([sqrt(1 - ALIKE**2)], [1, -ALIKE], noise)
    return found
