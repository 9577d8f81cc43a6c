"""One pass over a column in batches, in bounded memory: moments, quantiles, distinct values, the commonest values.

Every sketch merges, so that batches, files and machines can be sketched apart. All of them together take some 10 ns a
value on one core.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from math import inf, isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

from loopwright.statistics.arrays import AnyArray, Floats

Keys = NDArray[np.uint64]

_CHUNK = 32_768  # values looked at at once: what fits a core's cache


@dataclass(frozen=True, kw_only=True, slots=True)
class Moments:
    """Exact figures of the finite numbers seen. `squares` is the sum of squared distances from the mean.

    `infinite` counts infinities, which enter nothing else; NaN counts as missing and is left to the caller.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    minimum: float = inf
    maximum: float = -inf
    infinite: int = 0

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the values (divided by their number); None without values, or where it overflows."""
        return sqrt(self.squares / self.count) if self.count and isfinite(self.squares) else None


def moments_of(values: AnyArray) -> Moments:
    """The moments of one batch of numbers; NaN is left out."""
    batch = np.asarray(values, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        chunks = (_chunk_moments(batch[start : start + _CHUNK]) for start in range(0, len(batch), _CHUNK))
        return reduce(merge_moments, chunks, Moments())


def merge_moments(a: Moments, b: Moments) -> Moments:
    """Both as one, without loss of digits (Chan, Golub & LeVeque, 1979)."""
    if not a.count or not b.count:
        kept = b if b.count else a
        return Moments(
            count=kept.count,
            mean=kept.mean,
            squares=kept.squares,
            minimum=kept.minimum,
            maximum=kept.maximum,
            infinite=a.infinite + b.infinite,
        )
    count, apart = a.count + b.count, b.mean - a.mean
    return Moments(
        count=count,
        mean=a.mean + apart * b.count / count,
        squares=a.squares + b.squares + apart * apart * a.count / count * b.count,
        minimum=min(a.minimum, b.minimum),
        maximum=max(a.maximum, b.maximum),
        infinite=a.infinite + b.infinite,
    )


class QuantileSketch:
    """Quantiles from a uniform sample of at most `capacity` values, kept by the lowest of random priorities.

    Exact up to `capacity` values. Above, the rank of an answer is off by less than 0.7 % of all values with 99 %
    probability, at all quantiles at once, for the default capacity (Dvoretzky-Kiefer-Wolfowitz: sqrt(2.65 / capacity));
    whatever the values' scale and offset, which buckets by logarithm do not give. Sketches that will be merged need
    seeds of their own.
    """

    def __init__(self, capacity: int = 65_536, *, seed: int = 0) -> None:
        self.capacity = capacity
        self.count = 0
        self._rng = np.random.default_rng(seed)
        self._values: Floats = np.empty(0)
        self._priorities: Floats = np.empty(0)

    def add(self, values: AnyArray) -> None:
        """Take in one batch of numbers without NaN. Only the values that enter the sample are touched."""
        batch = np.asarray(values, dtype=np.float64)
        self.count += len(batch)
        if self._values.size < self.capacity:
            self._keep(batch, self._rng.random(len(batch)))
            return
        bar = float(self._priorities.max())
        entering = int(self._rng.binomial(len(batch), bar))  # as many as would draw a priority below the bar
        if entering:
            chosen = self._rng.choice(len(batch), entering, replace=False, shuffle=False)
            self._keep(batch[chosen], self._rng.random(entering) * bar)

    def merge(self, other: QuantileSketch) -> None:
        """Take in what `other` has seen."""
        self.count += other.count
        self._keep(other._values, other._priorities)

    def sample(self) -> Floats:
        """The values held, in no order: a uniform sample without replacement of all that were added."""
        return self._values.copy()

    def quantiles(self, shares: Sequence[float]) -> list[float] | None:
        """The values at `shares` (each 0 … 1), interpolated; None where nothing was added."""
        if not self._values.size:
            return None
        found: list[float] = np.quantile(self._values, shares).tolist()
        return found

    def _keep(self, values: Floats, priorities: Floats) -> None:
        values = np.concatenate([self._values, values])
        priorities = np.concatenate([self._priorities, priorities])
        if len(values) > self.capacity:
            lowest = np.argpartition(priorities, self.capacity - 1)[: self.capacity]
            values, priorities = values[lowest], priorities[lowest]
        self._values, self._priorities = values, priorities


class DistinctSketch:
    """How many distinct values there are, from the `capacity` lowest of their hashes.

    Exact below `capacity` distinct values; from there on, the relative standard error is 1 / sqrt(capacity - 2), 1.6 %
    for the default (Bar-Yossef et al., 2002; Beyer et al., 2007). The order of batches and merges does not matter.
    """

    def __init__(self, capacity: int = 4_096) -> None:
        self.capacity = capacity
        self._lowest: Keys = np.empty(0, dtype=np.uint64)
        self._bar = np.uint64(2**64 - 1)
        self._known: Keys = np.zeros(1 << 15, dtype=np.uint64)  # one hash held, by its first 15 bits: a quick sieve

    def add(self, keys: Keys) -> None:
        """Take in one batch of keys: 64-bit words that are equal where values are (see `number_keys`)."""
        for start in range(0, len(keys), _CHUNK):
            hashes = _mixed(keys[start : start + _CHUNK])
            if not self.exact:
                hashes = hashes[hashes < self._bar]
            self._take(hashes[self._known[_place(hashes)] != hashes])

    def merge(self, other: DistinctSketch) -> None:
        """Take in what `other` has seen."""
        self._take(other._lowest)

    @property
    def exact(self) -> bool:
        """Whether `count` is exact, apart from two values of one hash (one chance in 2 ** 40 at 4,096 values)."""
        return len(self._lowest) < self.capacity

    @property
    def count(self) -> int:
        if self.exact:
            return len(self._lowest)
        return round((self.capacity - 1) * 2.0**64 / (float(self._bar) + 1))

    def _take(self, hashes: Keys) -> None:
        if not len(hashes):
            return
        ordered = np.sort(np.concatenate([self._lowest, hashes]))  # NumPy 2.4's unique is 20 times slower than a sort
        self._lowest = ordered[np.append(True, ordered[1:] != ordered[:-1])][: self.capacity]
        self._known[_place(self._lowest)] = self._lowest
        if not self.exact:
            self._bar = self._lowest[-1]


def number_keys(values: AnyArray) -> Keys:
    """Keys of numbers, booleans or integers for a `DistinctSketch`; NaN are one value, as are 0 and -0."""
    if values.dtype.kind == "f":
        return (values.astype(np.float64) + 0.0).view(np.uint64)
    return values.astype(np.int64).view(np.uint64)


@dataclass(frozen=True, kw_only=True, slots=True)
class TopCounts:
    """Counts of the commonest values. A value was seen `counts[value]` times and at most `lost` times more.

    `lost` is 0, and every count exact, as long as no more than the cap's distinct values were seen.
    """

    counts: dict[str, int] = field(default_factory=dict)
    lost: int = 0

    def top(self, number: int) -> tuple[tuple[str, int], ...]:
        """The `number` commonest, the commonest first, equals by name."""
        return tuple(sorted(self.counts.items(), key=lambda pair: (-pair[1], pair[0]))[:number])


def add_counts(seen: TopCounts, found: Mapping[str, int], *, lost: int = 0, cap: int = 10_000) -> TopCounts:
    """`seen` with a batch's counts (a table's `value_counts`), or with another's `counts` and `lost`.

    The `cap` greatest are kept; what is dropped, or may have been dropped before, adds to `lost` by its greatest.
    """
    counts = dict(seen.counts)
    for name, number in found.items():
        counts[name] = counts.get(name, 0) + number
    lost += seen.lost
    if len(counts) > cap:
        ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        counts, lost = dict(ordered[:cap]), lost + ordered[cap][1]
    return TopCounts(counts=counts, lost=lost)


def _chunk_moments(values: Floats) -> Moments:
    finite = np.isfinite(values)
    infinite = 0
    if not finite.all():
        infinite = int(np.isinf(values).sum())
        values = values[finite]
    if not len(values):
        return Moments(infinite=infinite)
    mean = float(values.mean())
    centred = values - mean
    return Moments(
        count=len(values),
        mean=mean,
        squares=float(np.square(centred, out=centred).sum()),
        minimum=float(values.min()),
        maximum=float(values.max()),
        infinite=infinite,
    )


def _place(hashes: Keys) -> NDArray[np.int64]:
    return (hashes >> np.uint64(49)).view(np.int64)


def _mixed(keys: Keys) -> Keys:
    """Each key as a hash whose every bit depends on all of it (the finaliser of SplitMix64; Steele et al., 2014)."""
    found = keys + np.uint64(0x9E3779B97F4A7C15)
    found ^= found >> np.uint64(30)
    found *= np.uint64(0xBF58476D1CE4E5B9)
    found ^= found >> np.uint64(27)
    found *= np.uint64(0x94D049BB133111EB)
    found ^= found >> np.uint64(31)
    return found
