"""Rollout analysis: false aborts however often one looks, and how soon a worse challenger is found.

Every simulated rollout has 100,000 requests and is looked at after each of them. The guard under test has all of alpha
(1 %), where the policy shares it among several: so these are the rates at which it would be wrong most often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from math import log

import numpy as np
from scipy.stats import beta, hypergeom
from serving.figures import Figure

from decisions.effort import Effort
from loopwright.rollout import guards
from loopwright.rollout.evidence import FIRST_LOOK, LOOK_GROWTH
from loopwright.rollout.records import Look, RolloutPlan, StepEvidence, VariantEvidence
from loopwright.statistics.arrays import Floats
from loopwright.statistics.sequential import blocks, mean_difference_sequence, more_often, split_is
from loopwright.traffic.summary import SLOTS

PART = "rollout"
ALPHA = 0.01
REQUESTS = 100_000
PLAN = RolloutPlan(
    strategy="Canary",
    steps=(10,),
    interval_seconds=0,
    patience_seconds=0,
    min_requests=0,
    max_latency_ratio=2.0,
)


def measure(effort: Effort) -> Iterator[Figure]:
    random = np.random.default_rng(effort.seed)
    turns = effort.simulations
    for weight, bad in ((0.1, 0.01), (0.5, 0.01)):
        name = f"false aborts, equal variants, {weight:.0%} of the traffic, {bad:.0%} fail"
        yield rate(name, lambda w=weight, b=bad: aborted(random, w, b, b), turns, at_most=ALPHA)
    yield rate("false aborts, sticky keys of Zipf's weight", lambda: by_keys(random)[0], turns, at_most=ALPHA)
    yield rate("… had each request been taken for a unit", lambda: by_keys(random)[1], turns // 4)
    found = [by_keys(random, worse=3.0)[0] for _ in range(turns // 10)]
    yield share("keys of Zipf's weight, three times as many fail: found", sum(found), len(found))
    for weight in (0.5, 0.1):
        yield from samples(random, weight, turns // 2)
    yield rate("false wins of an A/B test by quality, equal losses", lambda: won(random), turns, at_most=ALPHA)
    yield rate("false alarms of a split that is as asked for", lambda: alarmed(random), turns, at_most=ALPHA)


def aborted(random: np.random.Generator, weight: float, ours: float, theirs: float) -> bool:
    """Whether a rollout looked at after every request is aborted for its errors."""
    _, logs = evidence(random, REQUESTS, weight, ours, theirs)
    return bool((logs >= -log(ALPHA)).any())


def evidence(random: np.random.Generator, requests: int, weight: float, ours: float, theirs: float) -> tuple:
    """After which requests there is new evidence that the challenger fails more often, and its logarithm."""
    own = random.random(requests) < weight
    hit = random.random(requests) < np.where(own, ours, theirs)
    cuts = blocks(own, ~own)
    a, b, hits_a, hits_b = (np.diff(np.cumsum(x)[cuts - 1], prepend=0) for x in (own, ~own, hit & own, hit & ~own))
    return cuts, more_often(hits_a, a, hits_b, b)


def by_keys(random: np.random.Generator, *, worse: float = 1.0) -> tuple[bool, bool]:
    """Whether a rollout with sticky keys is aborted, by slots, and by requests as if each were a unit.

    5,000 keys, whose weights fall as 1 / rank^1.1, each failing at a rate of its own (3 % in the mean).
    """
    keys = 5_000
    popularity = 1 / np.arange(1, keys + 1) ** 1.1
    slot = random.integers(0, SLOTS, keys)
    first = SLOTS - SLOTS // 10
    own = slot >= first
    failing = np.minimum(random.beta(0.15, 5.0, keys) * np.where(own, worse, 1.0), 1.0)
    looks, wanted = [], float(FIRST_LOOK)
    asked, bad = np.zeros(keys, dtype=np.int64), np.zeros(keys, dtype=np.int64)
    chances, hits, units = popularity / popularity.sum(), [], []
    while (done := int(asked.sum())) < REQUESTS:
        upto = min(int(np.ceil(wanted)), REQUESTS)
        more = random.multinomial(upto - done, chances)
        failed = random.binomial(more, failing)
        asked, bad, wanted = asked + more, bad + failed, wanted * LOOK_GROWTH
        hits.append((failed[own].sum(), failed[~own].sum()))
        units.append((more[own].sum(), more[~own].sum()))
        if upto < REQUESTS:
            looks.append(look(len(looks), first, slot, asked, bad))
    seen = StepEvidence(
        challenger=VariantEvidence(requests=1), champion=VariantEvidence(), keyed=True, looks=tuple(looks)
    )
    # The guard keeps half of what it is given for when the two do not answer side by side.
    said = guards.errors(PLAN, seen, 2 * ALPHA).finding == "fail"
    a, b = np.array(hits).T
    naive = more_often(a, np.array(units)[:, 0], b, np.array(units)[:, 1])
    return said, bool((naive >= -log(ALPHA)).any())


def look(number: int, first: int, slot: Floats, asked: Floats, bad: Floats) -> Look:
    requests, failed = (np.bincount(slot, one, SLOTS).astype(int).tolist() for one in (asked, bad))
    return Look(number=number, first=first, requests=tuple(requests), failed=tuple(failed), slow=(0,) * SLOTS)


def samples(random: np.random.Generator, weight: float, turns: int) -> Iterator[Figure]:
    """How many requests until 3 % against 1 % is found, over those of Fisher's exact test with power 0.8."""
    fixed = fixed_sample(random, weight)
    paths = [evidence(random, 12 * fixed, weight, 0.03, 0.01) for _ in range(turns)]
    for level, note in ((ALPHA, "all of alpha"), (ALPHA / 6, "a Canary's share of alpha")):
        taken = []
        for cuts, logs in paths:
            over = np.flatnonzero(logs >= -log(level))
            taken.append(cuts[over[0]] / fixed if len(over) else np.inf)
        low, middle, high = np.quantile(taken, [0.1, 0.5, 0.9])
        yield Figure(
            part=PART,
            name=f"3 % against 1 % at {weight:.0%} of the traffic, {note}",
            unit="×",
            value=float(middle),
            low=float(low),
            high=float(high),
            at_most=2.0,
            note=f"of the {fixed:,} requests of Fisher's test at 1 % with power 0.8; range: deciles",
        )


def fixed_sample(random: np.random.Generator, weight: float) -> int:
    """The least sample, within 1 %, with which Fisher's one-sided test at alpha has power 0.8; 20,000 simulations."""
    low, high = 500, 50_000
    while high > 1.01 * low:
        middle = (low + high) // 2
        n_a = round(middle * weight)
        n_b = middle - n_a
        a, b = random.binomial(n_a, 0.03, 20_000), random.binomial(n_b, 0.01, 20_000)
        power = float((hypergeom.sf(a - 1, middle, a + b, n_a) <= ALPHA).mean())
        low, high = (low, middle) if power >= 0.8 else (middle, high)
    return high


def won(random: np.random.Generator) -> bool:
    """Whether an A/B test of equal losses (exponential: skewed), looked at every 50 outcomes of 20,000, is ever won."""
    a, b = random.exponential(1.0, (2, 20_000))
    n = np.arange(100, 20_001, 50)
    (mean_a, var_a), (mean_b, var_b) = moments(a, n), moments(b, n)
    return any(
        mean_difference_sequence(k, mean_a[i], var_a[i], k, mean_b[i], var_b[i], ALPHA)[1] < 0
        for i, k in enumerate(n.tolist())
    )


def moments(values: Floats, n: Floats) -> tuple[Floats, Floats]:
    mean = np.cumsum(values)[n - 1] / n
    return mean, np.cumsum(values**2)[n - 1] / n - mean**2


def alarmed(random: np.random.Generator) -> bool:
    """Whether a split by lot, looked at every 100 requests, is ever taken for another one."""
    got = np.cumsum(random.random(REQUESTS) < 0.5)[99::100]
    return any(split_is(k, 100 * (i + 1) - k, 0.5) >= -log(ALPHA) for i, k in enumerate(got.tolist()))


def rate(name: str, happens: Callable[[], bool], turns: int, at_most: float | None = None) -> Figure:
    return share(name, sum(happens() for _ in range(turns)), turns, at_most)


def share(name: str, hits: int, turns: int, at_most: float | None = None) -> Figure:
    """A rate with its exact interval at 95 %; the goal is missed where the interval lies above it wholly."""
    low, high = interval(hits, turns)
    goal = None if at_most is None else most(turns, at_most)
    note = f"{hits} of {turns:,}" + (f"; {at_most:.0%} is not excluded up to the goal" if at_most else "")
    return Figure(part=PART, name=name, unit="", value=hits / turns, low=low, high=high, at_most=goal, note=note)


def interval(hits: int, turns: int) -> tuple[float, float]:
    """Clopper and Pearson (1934)."""
    low = float(beta.ppf(0.025, hits, turns - hits + 1)) if hits else 0.0
    return low, float(beta.ppf(0.975, hits + 1, turns - hits)) if hits < turns else 1.0


@cache
def most(turns: int, rate: float) -> float:
    """The greatest share of `turns` whose interval does not lie above `rate`."""
    return max(hits / turns for hits in range(turns // 5) if interval(hits, turns)[0] <= rate)
